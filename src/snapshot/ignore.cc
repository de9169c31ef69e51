#include "snapshot/ignore.h"

#include "snapshot/unicode.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kLineMax = 64 * 1024;
constexpr std::string_view kCacheDirSignature = "Signature: 8a477f597d28d172789f06886806bc55";

}  // namespace

Result<std::vector<WildcardMatcher>> parse_dot_ignore_file(std::string_view text, std::string_view base_directory) {
  std::vector<WildcardMatcher> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.size() >= kLineMax) {
      break;
    }
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty() || line.starts_with('#')) {
      continue;
    }
    TRY_ASSIGN(WildcardMatcher m, WildcardMatcher::compile(line, base_directory));
    out.push_back(std::move(m));
  }
  return out;
}

Result<std::shared_ptr<const IgnoreContext>> IgnoreContext::enter(std::shared_ptr<const IgnoreContext> parent,
                                                                  std::string_view directory, const Policy* defined,
                                                                  const ReadFile& read_file) {
  static const std::vector<std::string> kNone;
  const std::vector<std::string>& names = defined != nullptr  ? defined->files.ignore_dot_files
                                          : parent != nullptr ? parent->dot_ignore_files_
                                                              : kNone;
  std::vector<std::string> files;
  for (const std::string& name : names) {
    TRY_ASSIGN(std::optional<std::string> text, read_file(name), "reading {}", name);
    if (text) {
      files.push_back(std::move(*text));
    }
  }
  if (files.empty() && defined == nullptr && parent != nullptr) {
    return parent;
  }
  auto context = std::make_shared<IgnoreContext>();
  context->dot_ignore_files_ = names;
  if (parent != nullptr) {
    context->max_file_size_ = parent->max_file_size_;
    context->one_file_system_ = parent->one_file_system_;
    context->rule_count_ = parent->rule_count_;
  }
  if (defined != nullptr) {
    if (defined->files.max_file_size != 0) {
      context->max_file_size_ = defined->files.max_file_size;
    }
    context->one_file_system_ = defined->files.one_file_system.value_or(false);
    for (const std::string& pattern : defined->files.ignore) {
      TRY_ASSIGN(WildcardMatcher m, WildcardMatcher::compile(pattern, directory), "ignore rule of the policy");
      context->matchers_.push_back(std::move(m));
    }
  }
  for (const std::string& text : files) {
    TRY_ASSIGN(auto matchers, parse_dot_ignore_file(text, directory), "dot-ignore file in \"{}/\"", directory);
    context->matchers_.insert(context->matchers_.end(), std::make_move_iterator(matchers.begin()),
                              std::make_move_iterator(matchers.end()));
  }
  context->rule_count_ += context->matchers_.size();
  context->parent_ = std::move(parent);
  return std::shared_ptr<const IgnoreContext>(std::move(context));
}

bool IgnoreContext::ignored(std::u32string_view path, bool is_directory) const {
  bool result = parent_ != nullptr && parent_->rule_count_ > 0 && parent_->ignored(path, is_directory);
  for (const WildcardMatcher& m : matchers_) {
    if (result == m.negated()) {
      result = m.match(path, is_directory);
    }
  }
  return result;
}

bool IgnoreContext::ignored(std::string_view path, bool is_directory) const {
  if (rule_count_ == 0) {
    return false;
  }
  std::u32string decoded;
  decode_utf8(path, decoded);
  return ignored(std::u32string_view(decoded), is_directory);
}

Inclusion IgnoreContext::check(const IgnoreEntry& e) const {
  if (ignored(e.path, e.is_directory)) {
    return Inclusion::ignored;
  }
  if (!e.is_directory && max_file_size_ > 0 && e.size > max_file_size_) {
    return Inclusion::too_large;
  }
  if (one_file_system_ && e.device != e.directory_device) {
    return Inclusion::other_device;
  }
  return Inclusion::included;
}

bool is_cache_dir_tag(std::string_view head) {
  return head.size() >= kCacheDirTagSize && head.starts_with(kCacheDirSignature);
}

}  // namespace cairn::snapshot
