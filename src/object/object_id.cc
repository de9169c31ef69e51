#include "object/object_id.h"

namespace cairn::object {

Result<ObjectId> ObjectId::parse(std::string_view text) {
  ObjectId id;
  std::string_view rest = text;
  while (rest.starts_with('I')) {
    if (id.indirection == 255) {
      return error(Code::invalid_argument, "malformed object ID: \"{}\"", text);
    }
    ++id.indirection;
    rest.remove_prefix(1);
  }
  if (rest.starts_with('Z')) {
    if (id.indirection > 0) {
      return error(Code::invalid_argument, "malformed object ID: \"{}\"", text);
    }
    id.compressed = true;
    rest.remove_prefix(1);
  }
  if (rest.starts_with('D')) {
    rest.remove_prefix(1);
  }
  if (rest.empty()) {
    return error(Code::invalid_argument, "malformed object ID: \"{}\"", text);
  }
  TRY_ASSIGN(id.content, ContentId::parse(rest), "malformed object ID");
  return id;
}

void ObjectId::append_text(std::string& out) const {
  out.append(indirection, 'I');
  if (compressed) {
    out.push_back('Z');
  }
  content.append_text(out);
}

std::string ObjectId::text() const {
  std::string out;
  append_text(out);
  return out;
}

}  // namespace cairn::object
