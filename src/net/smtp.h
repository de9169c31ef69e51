// One e-mail over SMTP (RFC 5321), by the library that http.cc uses.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace cairn::net {

struct SmtpRequest {
  std::string server;  // host name or address
  int port = 587;
  std::string identity;            // name we introduce ourselves with; "" = this machine's
  std::string username, password;  // no authentication when the name is empty
  std::string from;                // bare addresses
  std::vector<std::string> recipients;
  std::string message;      // headers, empty line, body; any line ends
  std::string root_ca_pem;  // trusted instead of the system's authorities
  Duration deadline = seconds(60);
};

// TLS is used wherever the server offers it (port 465: from the start), and required when there is a password to be
// sent to another machine. Errors: invalid_argument, unavailable, unauthenticated, failed_precondition (TLS),
// deadline, cancelled. The message names server and port.
Status send_mail(const SmtpRequest& request, std::stop_token stop);

}  // namespace cairn::net
