// Small XML documents of store APIs: reading into a plain tree, escaping for writing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace cairn::net {

struct XmlNode {
  std::string name;  // without name-space prefix
  std::string text;  // of this element alone
  std::vector<XmlNode> children;
  // First child of that name, nullptr when there is none.
  const XmlNode* child(std::string_view name) const;
  // Text of the first child of that name, "" when there is none.
  const std::string& text_of(std::string_view name) const;
};

// The root element. Entities other than XML's own are not expanded, nothing is fetched. Errors: corrupt.
Result<XmlNode> parse_xml(ByteView document);
// For texts and attributes of XML and HTML.
std::string xml_escape(std::string_view text);

}  // namespace cairn::net
