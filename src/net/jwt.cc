#include "net/jwt.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <memory>

#include "base/bytes.h"

namespace cairn::net {
namespace {

template <auto kFree>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Memory = std::unique_ptr<BIO, Deleter<BIO_vfree>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;

Result<Key> read_key(const std::string& pem) {
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // Without a way to ask for a passphrase.
  const auto none = [](char*, int, int, void*) { return 0; };
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, none, nullptr));
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return error(Code::invalid_argument, "the private key is not an RSA key in PEM");
  }
  return key;
}

}  // namespace

Result<std::string> sign_jwt(const Json& claims, const JwtKey& which, const std::string& private_key_pem) {
  TRY_ASSIGN(const Key key, read_key(private_key_pem));
  Json header = Json::object({{"alg", "RS256"}, {"typ", "JWT"}});
  header.set_omitempty("kid", which.id);
  header.set_omitempty("x5t", which.thumbprint);
  std::string text =
      base64url_raw_encode(as_bytes(header.dump())) + "." + base64url_raw_encode(as_bytes(claims.dump()));
  const Context context(EVP_MD_CTX_new());
  std::size_t size = 0;
  const ByteView message = as_bytes(text);
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())));
  size = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    ERR_clear_error();
    return error(Code::internal, "unable to sign a token");
  }
  signature.resize(size);
  return text + "." + base64url_raw_encode(signature);
}

Result<std::string> certificate_thumbprint(const std::string& pem) {
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  std::array<Byte, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  const bool done = certificate != nullptr && X509_digest(certificate.get(), EVP_sha1(), digest.data(), &size) == 1;
  ERR_clear_error();
  return done ? Result<std::string>(base64url_raw_encode(ByteView(digest).first(size)))
              : error(Code::invalid_argument, "there is no certificate in PEM");
}

}  // namespace cairn::net
