#include "net/self_signed.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "base/bytes.h"
#include "base/random.h"

namespace cairn::net {
namespace {

template <auto kFree>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
template <class T, auto kFree>
using Owned = std::unique_ptr<T, Deleter<kFree>>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Certificate = Owned<X509, X509_free>;
using Memory = Owned<BIO, BIO_vfree>;

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

bool fill(X509* certificate, EVP_PKEY* key, const std::string& name, int days) {
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), random_u64() >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);  // clocks differ
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * days);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate, subject);
  const std::string names = "DNS:" + name;
  const Owned<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1 &&
         X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) != 0;
}

}  // namespace

Result<SelfSigned> make_self_signed(const std::string& name, int days) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  if (key == nullptr || certificate == nullptr || !fill(certificate.get(), key.get(), name, days)) {
    return error(Code::internal, "unable to make a certificate");
  }
  SelfSigned out;
  const Memory certificate_memory(BIO_new(BIO_s_mem())), key_memory(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(certificate_memory.get(), certificate.get());
  PEM_write_bio_PrivateKey(key_memory.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  out.certificate_pem = text_of(certificate_memory.get());
  out.key_pem = text_of(key_memory.get());
  Byte digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate.get(), EVP_sha256(), digest, &size) != 1) {
    return error(Code::internal, "unable to make a certificate");
  }
  out.fingerprint = hex_encode({digest, size});
  return out;
}

}  // namespace cairn::net
