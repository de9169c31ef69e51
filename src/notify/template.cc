#include "notify/template.h"

#include <cctype>
#include <optional>
#include <utility>
#include <vector>

#include "base/units.h"
#include "notify/template_functions.h"

namespace cairn::notify {
namespace {

constexpr std::size_t kOutputMax = std::size_t{4} << 20;
constexpr std::size_t kStepsMax = 200'000;
constexpr int kDepthMax = 64;

Status syntax(std::string_view what) { return error(Code::invalid_argument, "template: {}", what); }

// ---- text → pieces

struct Piece {
  bool action = false;
  std::string text;
};

void trim_right(std::string& s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back())) != 0) {
    s.pop_back();
  }
}

// Where the action that starts at `from` ends; quotes may hide "}}".
std::size_t action_end(std::string_view text, std::size_t from) {
  char quote = 0;
  for (std::size_t i = from; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\' && quote == '"') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '`') {
      quote = c;
    } else if (c == '}' && i + 1 < text.size() && text[i + 1] == '}') {
      return i;
    }
  }
  return std::string_view::npos;
}

Result<std::vector<Piece>> cut(std::string_view text) {
  std::vector<Piece> pieces;
  bool trim_next = false;
  const auto add_text = [&](std::string_view part) {
    if (trim_next) {
      const std::size_t start = std::min(part.find_first_not_of(" \t\r\n"), part.size());
      part.remove_prefix(start);
    }
    trim_next = false;
    pieces.push_back({false, std::string(part)});
  };
  while (true) {
    const std::size_t open = text.find("{{");
    add_text(text.substr(0, open));
    if (open == std::string_view::npos) {
      return pieces;
    }
    text.remove_prefix(open + 2);
    if (text.starts_with("- ") || text.starts_with("-\n")) {
      trim_right(pieces.back().text);
      text.remove_prefix(1);
    }
    std::size_t close = 0;
    if (const std::size_t first = text.find_first_not_of(' ');
        text.substr(std::min(first, text.size())).starts_with("/*")) {
      close = text.find("*/");
      close = close == std::string_view::npos ? close : text.find("}}", close);
      if (close == std::string_view::npos) {
        return syntax("unclosed comment");
      }
    } else {
      close = action_end(text, 0);
      if (close == std::string_view::npos) {
        return syntax("unclosed action");
      }
    }
    std::string_view inside = text.substr(0, close);
    text.remove_prefix(close + 2);
    if (inside.ends_with(" -")) {
      trim_next = true;
      inside.remove_suffix(1);
    }
    inside = trim(inside);
    if (!inside.starts_with("/*")) {
      pieces.push_back({true, std::string(inside)});
    }
  }
}

// ---- pieces → tree

struct Node {
  enum class Kind { text, output, if_, range, with } kind = Kind::text;
  std::string text;                    // text, or the pipeline
  std::vector<std::string> variables;  // "$x :=" in front of the pipeline
  std::vector<Node> body, otherwise;
};

class TreeBuilder {
 public:
  explicit TreeBuilder(const std::vector<Piece>& pieces) : pieces_(pieces) {}

  Result<std::vector<Node>> build() {
    std::string end;
    TRY_ASSIGN(std::vector<Node> nodes, block(end, 0));
    if (!end.empty()) {
      return syntax("unexpected {{" + end + "}}");
    }
    return nodes;
  }

 private:
  // Until {{end}} or {{else …}}, which is put into `end`; "" at the end of the text.
  Result<std::vector<Node>> block(std::string& end, int depth) {
    if (depth > kDepthMax) {
      return syntax("nested too deeply");
    }
    std::vector<Node> nodes;
    for (; at_ < pieces_.size(); ++at_) {
      const Piece& piece = pieces_[at_];
      if (!piece.action) {
        nodes.push_back({Node::Kind::text, piece.text, {}, {}, {}});
        continue;
      }
      const std::string_view word = std::string_view(piece.text).substr(0, piece.text.find_first_of(" \t\n"));
      if (word == "end" || word == "else") {
        end = piece.text;
        return nodes;
      }
      if (word == "if" || word == "range" || word == "with") {
        TRY_ASSIGN(Node node, control(word, std::string_view(piece.text).substr(word.size()), depth));
        nodes.push_back(std::move(node));
      } else if (word == "template" || word == "define" || word == "block" || word == "break" || word == "continue") {
        return syntax(fmt::format("{{{{{}}}}} is not supported", word));
      } else {
        Node node{Node::Kind::output, piece.text, {}, {}, {}};
        TRY(take_variables(node));
        nodes.push_back(std::move(node));
      }
    }
    end.clear();
    return nodes;
  }

  Result<Node> control(std::string_view word, std::string_view pipeline, int depth) {
    Node node;
    node.kind = word == "if" ? Node::Kind::if_ : word == "range" ? Node::Kind::range : Node::Kind::with;
    node.text = trim(pipeline);
    TRY(take_variables(node));
    if (node.text.empty()) {
      return syntax(fmt::format("missing value for {}", word));
    }
    ++at_;
    std::string end;
    TRY_ASSIGN(node.body, block(end, depth + 1));
    if (end.starts_with("else")) {
      const std::string rest(trim(std::string_view(end).substr(4)));
      if (rest.starts_with("if ") || rest.starts_with("with ")) {  // {{else if}} closes with the same {{end}}
        const std::string_view inner = std::string_view(rest).substr(0, rest.find(' '));
        TRY_ASSIGN(Node nested, control(inner, std::string_view(rest).substr(inner.size()), depth + 1));
        node.otherwise.push_back(std::move(nested));
        return node;
      }
      ++at_;
      TRY_ASSIGN(node.otherwise, block(end, depth + 1));
    }
    if (end != "end") {
      return syntax("missing {{end}}");
    }
    return node;
  }

  static Status take_variables(Node& node) {
    if (!node.text.starts_with('$')) {
      return {};
    }
    std::size_t sign = node.text.find(":=");
    const std::size_t equals = node.text.find('=');
    if (equals == std::string::npos) {
      return {};
    }
    const std::size_t value = sign == std::string::npos ? equals + 1 : sign + 2;
    std::string names = node.text.substr(0, sign == std::string::npos ? equals : sign);
    for (std::size_t comma = 0; comma != std::string::npos;) {
      comma = names.find(',');
      const std::string name(trim(std::string_view(names).substr(0, comma)));
      if (name.size() < 2 || name[0] != '$') {
        return syntax("bad variable \"" + name + "\"");
      }
      node.variables.push_back(name);
      names.erase(0, comma == std::string::npos ? names.size() : comma + 1);
    }
    node.text = trim(std::string_view(node.text).substr(value));
    return {};
  }

  const std::vector<Piece>& pieces_;
  std::size_t at_ = 0;
};

// ---- tree → output

class Renderer {
 public:
  explicit Renderer(const Json& data) : data_(data) { variables_.emplace_back("$", data); }

  Status run(const std::vector<Node>& nodes, const Json& dot) {
    const std::size_t scope = variables_.size();
    for (const Node& node : nodes) {
      if (++steps_ > kStepsMax || out_.size() > kOutputMax) {
        return syntax("too much output");
      }
      TRY(run_one(node, dot));
    }
    variables_.resize(scope);
    return {};
  }
  std::string take() { return std::move(out_); }

 private:
  Status run_one(const Node& node, const Json& dot) {
    if (node.kind == Node::Kind::text) {
      out_ += node.text;
      return {};
    }
    TRY_ASSIGN(const Json value, evaluate(node.text, dot));
    if (node.kind == Node::Kind::output) {
      if (node.variables.empty()) {
        out_ += value_text(value);
      } else {
        assign(node.variables.back(), value);
      }
      return {};
    }
    const std::size_t scope = variables_.size();
    if (node.kind == Node::Kind::range) {
      TRY(run_range(node, value, dot));
    } else {
      if (!node.variables.empty()) {
        variables_.emplace_back(node.variables.back(), value);
      }
      const bool yes = is_true(value);
      TRY(run(yes ? node.body : node.otherwise, yes && node.kind == Node::Kind::with ? value : dot));
    }
    variables_.resize(scope);
    return {};
  }

  Status run_range(const Node& node, const Json& value, const Json& dot) {
    std::vector<std::pair<Json, Json>> items;
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      items.emplace_back(static_cast<std::int64_t>(i), value.items()[i]);
    }
    for (const auto& [key, member] : value.members()) {
      items.emplace_back(key, member);
    }
    if (items.empty()) {
      return run(node.otherwise, dot);
    }
    for (const auto& [key, item] : items) {
      const std::size_t scope = variables_.size();
      if (node.variables.size() == 2) {
        variables_.emplace_back(node.variables[0], key);
      }
      if (!node.variables.empty()) {
        variables_.emplace_back(node.variables.back(), item);
      }
      TRY(run(node.body, item));
      variables_.resize(scope);
    }
    return {};
  }

  void assign(const std::string& name, const Json& value) {
    for (auto& [known, old] : variables_) {
      if (known == name) {
        old = value;
        return;
      }
    }
    variables_.emplace_back(name, value);
  }

  Result<Json> evaluate(std::string_view pipeline, const Json& dot) {
    ExpressionScope scope{.dot = dot, .variable = [this](std::string_view name) -> const Json* {
                            for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
                              if (it->first == name) {
                                return &it->second;
                              }
                            }
                            return nullptr;
                          }};
    return evaluate_pipeline(pipeline, scope);
  }

  const Json& data_;
  std::vector<std::pair<std::string, Json>> variables_;
  std::string out_;
  std::size_t steps_ = 0;
};

}  // namespace

Result<std::string> render_template(std::string_view text, const Json& data) {
  TRY_ASSIGN(const std::vector<Piece> pieces, cut(text));
  TRY_ASSIGN(const std::vector<Node> nodes, TreeBuilder(pieces).build());
  Renderer renderer(data);
  TRY(renderer.run(nodes, data));
  return renderer.take();
}

}  // namespace cairn::notify
