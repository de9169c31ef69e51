// Drives the lanes: gives every lane a message, refills it when that ends. Internal to crypto/.
#pragma once

#include <span>

#include "base/ids.h"
#include "crypto/blake2.h"
#include "crypto/blake2b_lanes.h"

namespace cairn::crypto {

struct Blake2bEngine {
  Blake2bKernel kernel = nullptr;  // null: no vector unit that helps
  std::size_t lanes = 0;
};

// Every engine this CPU can run, widest first; each has been checked against the plain implementation.
std::span<const Blake2bEngine> blake2b_engines();

// Hashes all inputs; writes `size` bytes of each digest.
void blake2b_many(const Blake2bEngine& engine, const Blake2Start<Blake2b>& start, std::span<const ByteView> inputs,
                  std::size_t size, std::span<HashValue> out);

}  // namespace cairn::crypto
