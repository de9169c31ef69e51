#include "cli/providers/provider_table.h"

namespace cairn::cli {

Provider azure_provider() {
  using enum ValueType;
  return {
      .word = "azure",
      .type = "azureBlob",
      .help = "an Azure blob container",
      .flags =
          {
              {.name = "container", .type = text, .help = "Name of the container", .required = true},
              {.name = "storage-account",
               .type = text,
               .env = "AZURE_STORAGE_ACCOUNT",
               .help = "Storage account",
               .required = true},
              {.name = "storage-key", .type = text, .env = "AZURE_STORAGE_KEY", .help = "Key of the storage account"},
              {.name = "storage-domain", .type = text, .env = "AZURE_STORAGE_DOMAIN", .help = "Domain of the storage"},
              {.name = "sas-token", .type = text, .env = "AZURE_STORAGE_SAS_TOKEN", .help = "Shared access signature"},
              {.name = "prefix", .type = text, .help = "Prefix of all object names"},
              {.name = "tenant-id", .type = text, .env = "AZURE_TENANT_ID", .help = "Tenant of the service principal"},
              {.name = "client-id",
               .type = text,
               .env = "AZURE_CLIENT_ID",
               .help = "Client id of the service principal"},
              {.name = "client-secret",
               .type = text,
               .env = "AZURE_CLIENT_SECRET",
               .help = "Secret of the service principal"},
              {.name = "client-cert",
               .type = text,
               .env = "AZURE_CLIENT_CERTIFICATE",
               .help = "Certificate of the service principal"},
              {.name = "azure-federated-token-file",
               .type = text,
               .env = "AZURE_FEDERATED_TOKEN_FILE",
               .help = "File with a federated token"},
              kPointInTime,
          },
      .keys = {{"container", "container", kAlways},
               {"prefix", "prefix"},
               {"storageAccount", "storage-account"},
               {"storageKey", "storage-key"},
               {"sasToken", "sas-token"},
               {"TenantID", "tenant-id"},
               {"ClientID", "client-id"},
               {"ClientSecret", "client-secret"},
               {"clientCertificate", "client-cert"},
               {"azureFederatedTokenFile", "azure-federated-token-file"},
               {"storageDomain", "storage-domain"},
               {"pointInTime", "point-in-time", kOmitEmpty, point_in_time}},
      .supported = true,
  };
}

}  // namespace cairn::cli
