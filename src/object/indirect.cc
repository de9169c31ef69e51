#include "object/indirect.h"

#include <fmt/format.h>
#include <simdjson.h>

namespace cairn::object {

std::string encode_indirect(const std::vector<IndirectEntry>& entries) {
  std::string out = R"({"stream":"kopia:indirect","entries":[)";
  bool first = true;
  for (const IndirectEntry& e : entries) {
    out += first ? "{" : ",{";
    first = false;
    if (e.start != 0) {
      fmt::format_to(std::back_inserter(out), "\"s\":{},", e.start);
    }
    if (e.length != 0) {
      fmt::format_to(std::back_inserter(out), "\"l\":{},", e.length);
    }
    out += "\"o\":\"";
    e.object.append_text(out);
    out += "\"}";
  }
  out += "]}\n";
  return out;
}

Result<std::vector<IndirectEntry>> decode_indirect(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  const auto bad = [](std::string_view why) { return error(Code::corrupt, "invalid indirect object: {}", why); };
  if (json.empty() || parser.parse(json.data(), json.size(), true).get(root) != simdjson::SUCCESS) {
    return bad("not JSON");
  }
  simdjson::dom::array list;
  if (root["entries"].get_array().get(list) != simdjson::SUCCESS) {
    return bad("no entries");
  }
  std::vector<IndirectEntry> out;
  std::int64_t expected = 0;
  for (const auto item : list) {
    IndirectEntry e;
    std::string_view id;
    if (item["o"].get_string().get(id) != simdjson::SUCCESS) {
      return bad("an entry has no object");
    }
    const auto number = [&](const char* key, std::int64_t& v) {
      const auto err = item[key].get_int64().get(v);
      return err == simdjson::SUCCESS || err == simdjson::NO_SUCH_FIELD;
    };
    if (!number("s", e.start) || !number("l", e.length) || e.length < 0 || e.start != expected ||
        e.length > INT64_MAX - expected) {
      return bad("entries are not contiguous");
    }
    TRY_ASSIGN(e.object, ObjectId::parse(id), "invalid indirect object");
    expected += e.length;
    out.push_back(std::move(e));
  }
  if (out.empty()) {
    return bad("no entries");
  }
  return out;
}

}  // namespace cairn::object
