// Runs a fuzz target without a fuzzer: every file of its corpus, then mutations of them in an order that is always the
// same.   replay ITERATIONS [CORPUS-DIRECTORY]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;
constexpr std::size_t kSizeMax = 1 << 16;

std::uint64_t next(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void mutate(Input& input, const std::vector<Input>& corpus, std::uint64_t& state) {
  static constexpr std::uint8_t kInteresting[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '}', '[', ']', ',', ':', '-', '9'};
  const std::size_t at = input.empty() ? 0 : next(state) % input.size();
  const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
  switch (next(state) % 7) {
    case 0:
      if (!input.empty()) {
        *place ^= static_cast<std::uint8_t>(1 << next(state) % 8);
      }
      break;
    case 1:
      if (!input.empty()) {
        *place = kInteresting[next(state) % std::size(kInteresting)];
      }
      break;
    case 2:
      input.insert(place, static_cast<std::uint8_t>(next(state)));
      break;
    case 3:
      input.resize(at);
      break;
    case 4:
      input.erase(place, input.begin() + static_cast<std::ptrdiff_t>(std::min(input.size(), at + 1 + next(state) % 8)));
      break;
    case 5: {  // a piece of another one
      const Input& other = corpus[next(state) % corpus.size()];
      const std::size_t from = other.empty() ? 0 : next(state) % other.size();
      const std::size_t size = std::min<std::size_t>(other.size() - from, 1 + next(state) % 64);
      input.insert(place, other.begin() + static_cast<std::ptrdiff_t>(from),
                   other.begin() + static_cast<std::ptrdiff_t>(from + size));
      break;
    }
    default:  // a run of one byte
      for (std::size_t i = at; i < std::min(input.size(), at + 8); ++i) {
        input[i] = 0xff;
      }
  }
  input.resize(std::min(input.size(), kSizeMax));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s ITERATIONS [CORPUS-DIRECTORY]\n", argv[0]);
    return 2;
  }
  std::vector<Input> corpus = {{}, {'{', '}'}, Input(64, 0)};
  if (argc > 2) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(argv[2])) {
      names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      std::ifstream in(name, std::ios::binary);
      corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
  }
  for (const Input& input : corpus) {
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  const long iterations = std::strtol(argv[1], nullptr, 10);
  std::uint64_t state = 1;
  for (long i = 0; i < iterations; ++i) {
    // The files of the corpus in turn: the plain ones in front are drawn less than those of a small corpus.
    Input input = corpus[next(state) % corpus.size()];
    for (std::uint64_t n = 1 + next(state) % 4; n > 0; --n) {
      mutate(input, corpus, state);
    }
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu inputs of the corpus, %ld mutations\n", corpus.size(), iterations);
  return 0;
}
