#include "cli/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/json.h"
#include "base/time.h"

namespace cairn::cli {
namespace {

class ConsoleSink : public log::Sink {
 public:
  explicit ConsoleSink(ConsoleOptions options) : options_(options) {}
  log::Level level() const override { return options_.level; }
  void write(log::Level level, std::string_view module, std::string_view message, std::string_view fields) override {
    std::string line;
    if (options_.json) {
      line = json_log_line(level, module, message, fields) + "\n";
      write_fd(STDERR_FILENO, line);
      return;
    }
    if (options_.timestamps) {
      const CivilTime t = civil_local(system_clock().now());
      line = fmt::format("{:02}:{:02}:{:02}.{:03} ", t.hour, t.minute, t.second, t.nanosecond / 1'000'000);
    }
    const std::string_view colour = !options_.colour || level < log::Level::warning ? ""
                                    : level == log::Level::warning                  ? "\033[33m"
                                                                                    : "\033[91m";
    line.append(colour).append(message);
    if (!fields.empty()) {
      line.append("\t").append(fields);
    }
    line.append(colour.empty() ? "\n" : "\033[0m\n");
    write_fd(STDERR_FILENO, line);  // one call, so that lines of several threads do not mix
  }

 private:
  ConsoleOptions options_;
};

}  // namespace

std::shared_ptr<log::Sink> make_console_sink(ConsoleOptions options) { return std::make_shared<ConsoleSink>(options); }

std::string_view level_name(log::Level level) {
  static constexpr std::string_view kNames[] = {"DEBUG", "INFO", "WARN", "ERROR"};
  return kNames[static_cast<unsigned char>(level)];
}

std::string json_log_line(log::Level level, std::string_view module, std::string_view message,
                          std::string_view fields) {
  std::string line = fmt::format("{{\"t\":\"{}\",\"l\":\"{}\",\"n\":\"kopia/{}\",\"m\":", rfc3339(system_clock().now()),
                                 level_name(level), module);
  append_json_string(line, message);
  if (fields.size() > 2 && fields.front() == '{') {
    line.append(",").append(fields.substr(1));
  } else {
    line += '}';
  }
  return line;
}

void write_fd(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR) {
      return;
    }
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
}

}  // namespace cairn::cli
