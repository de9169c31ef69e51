// The texts of messages that come with the program.
#include <algorithm>

#include "notify/message.h"

namespace cairn::notify {
namespace {

struct Builtin {
  const char* name;
  const char* text;
};

constexpr Builtin kTemplates[] = {
    {"generic-error.html", R"(Subject: Error: {{ .EventArgs.Operation }} failed on {{ .Hostname }}

<!doctype html>
<html><body>
<p><b>{{ html .EventArgs.Operation }}</b> failed on <b>{{ html .Hostname }}</b>.</p>
<table>
{{- if .EventArgs.OperationDetails }}
<tr><td>Details</td><td>{{ html .EventArgs.OperationDetails }}</td></tr>
{{- end }}
<tr><td>Started</td><td>{{ .EventArgs.StartTime }}</td></tr>
<tr><td>Ended</td><td>{{ .EventArgs.EndTime }}</td></tr>
</table>
<pre>{{ html .EventArgs.Error }}</pre>
<p>Generated at {{ .EventTime }} by {{ .Program }} {{ .Version }}.</p>
</body></html>
)"},
    {"generic-error.txt", R"(Subject: Error: {{ .EventArgs.Operation }} failed on {{ .Hostname }}

Operation: {{ .EventArgs.Operation }}
{{- if .EventArgs.OperationDetails }}
Details: {{ .EventArgs.OperationDetails }}
{{- end }}
Started: {{ .EventArgs.StartTime }}
Ended: {{ .EventArgs.EndTime }}

{{ .EventArgs.Error }}

Generated at {{ .EventTime }} by {{ .Program }} {{ .Version }}.
)"},
    {"snapshot-report.html", R"(Subject: Snapshots on {{ .Hostname }}: {{ .EventArgs.Status }}

<!doctype html>
<html><body>
<table>
<tr><th>Source</th><th>Started</th><th>Duration</th><th>Files</th><th>Size</th><th>Result</th></tr>
{{- range .EventArgs.Snapshots }}
<tr><td>{{ html .Source }}</td><td>{{ .StartTime }}</td><td>{{ .Duration }}</td><td>{{ .Files }}</td><td>{{ .Size }}</td><td>{{ html .Result }}</td></tr>
{{- end }}
</table>
<p>Generated at {{ .EventTime }} by {{ .Program }} {{ .Version }}.</p>
</body></html>
)"},
    {"snapshot-report.txt", R"(Subject: Snapshots on {{ .Hostname }}: {{ .EventArgs.Status }}

{{ range .EventArgs.Snapshots -}}
{{ .Source }}
  Started: {{ .StartTime }}, took {{ .Duration }}
  Files: {{ .Files }}, size: {{ .Size }}
  Result: {{ .Result }}

{{ end -}}
Generated at {{ .EventTime }} by {{ .Program }} {{ .Version }}.
)"},
    {"test-notification.html", R"(Subject: Test notification from {{ .Hostname }}

<!doctype html>
<html><body>
<p>This is a test notification. It arrived, so the profile works.</p>
<p>Generated at {{ .EventTime }} by {{ .Program }} {{ .Version }}.</p>
</body></html>
)"},
    {"test-notification.txt", R"(Subject: Test notification from {{ .Hostname }}

This is a test notification. It arrived, so the profile works.

Generated at {{ .EventTime }} by {{ .Program }} {{ .Version }}.
)"},
};

}  // namespace

std::vector<std::string> builtin_template_names() {
  std::vector<std::string> names;
  for (const Builtin& b : kTemplates) {
    names.emplace_back(b.name);
  }
  return names;
}

const char* builtin_template(std::string_view name) {
  const auto* found = std::ranges::find_if(kTemplates, [&](const Builtin& b) { return b.name == name; });
  return found == std::end(kTemplates) ? nullptr : found->text;
}

}  // namespace cairn::notify
