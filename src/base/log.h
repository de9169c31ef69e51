// Levelled log lines to sinks chosen by the program. A line is a message and, sometimes, structured fields (one JSON
// object). Thread-safe. Secrets never enter a message.
#pragma once

#include <fmt/core.h>

#include <memory>
#include <string>
#include <string_view>

namespace cairn::log {

enum class Level : unsigned char { debug, info, warning, error };

class Sink {
 public:
  virtual ~Sink() = default;
  // `module` as in "cli" or "content"; `fields` is a JSON object or empty. Called under no lock; must be thread-safe.
  virtual void write(Level level, std::string_view module, std::string_view message, std::string_view fields) = 0;
  virtual Level level() const = 0;
};

// Sinks live until removed or program end.
void add_sink(std::shared_ptr<Sink> sink);
void clear_sinks();
bool enabled(Level level);
void write(Level level, std::string_view module, std::string_view message, std::string_view fields = {});

template <class... A>
void debug(std::string_view module, fmt::format_string<A...> f, A&&... a) {
  if (enabled(Level::debug)) {
    write(Level::debug, module, fmt::format(f, std::forward<A>(a)...));
  }
}
template <class... A>
void info(std::string_view module, fmt::format_string<A...> f, A&&... a) {
  write(Level::info, module, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
void warning(std::string_view module, fmt::format_string<A...> f, A&&... a) {
  write(Level::warning, module, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
void error(std::string_view module, fmt::format_string<A...> f, A&&... a) {
  write(Level::error, module, fmt::format(f, std::forward<A>(a)...));
}

}  // namespace cairn::log
