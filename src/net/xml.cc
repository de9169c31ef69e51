#include "net/xml.h"

#include <pugixml.hpp>

namespace cairn::net {
namespace {

constexpr int kDepthMax = 64;

Status copy(const pugi::xml_node& from, XmlNode& to, int depth) {
  if (depth > kDepthMax) {
    return error(Code::corrupt, "XML is nested too deeply");
  }
  const std::string_view name = from.name();
  to.name = name.substr(name.find(':') + 1);  // npos + 1 is 0
  for (const pugi::xml_node& child : from.children()) {
    if (child.type() == pugi::node_element) {
      TRY(copy(child, to.children.emplace_back(), depth + 1));
    } else if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) {
      to.text += child.value();
    }
  }
  return {};
}

}  // namespace

const XmlNode* XmlNode::child(std::string_view wanted) const {
  for (const XmlNode& each : children) {
    if (each.name == wanted) {
      return &each;
    }
  }
  return nullptr;
}

const std::string& XmlNode::text_of(std::string_view wanted) const {
  static const std::string kEmpty;
  const XmlNode* node = child(wanted);
  return node != nullptr ? node->text : kEmpty;
}

Result<XmlNode> parse_xml(ByteView document) {
  pugi::xml_document parsed;
  const pugi::xml_parse_result result = parsed.load_buffer(document.data(), document.size());
  if (!result) {
    return error(Code::corrupt, "malformed XML at byte {}: {}", result.offset, result.description());
  }
  XmlNode root;
  TRY(copy(parsed.document_element(), root, 0));
  if (root.name.empty()) {
    return error(Code::corrupt, "malformed XML: no element");
  }
  return root;
}

std::string xml_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace cairn::net
