// The crypto adapter on a real PSA. Each line of the input is a key, a signature and a text, in base64 and hex; each of
// the output says whether the key is none, or the signature good or bad.
#include <iostream>
#include <string>
#include <vector>

#include "keys.h"
#include "text.h"

using namespace mqtt_ota;

namespace {

const char *judge(const std::string &key, const std::string &signed_as, const std::string &hex) {
  PsaCrypto crypto;
  Keys keys;
  Signature signature;
  std::vector<uint8_t> text(hex.size() / 2);
  if (!crypto.open() || !read_hex(hex, text.data(), text.size())) return "broken";
  if (!keys.add(key.c_str(), &crypto)) return "no key";
  if (!read_base64(signed_as, signature.data(), signature.size())) return "bad";
  // Begun twice and in pieces, as a board does that is interrupted.
  crypto.sha256_begin();
  crypto.sha256_update({text.data(), 1});
  crypto.sha256_begin();
  for (size_t at = 0; at < text.size(); at += 100)
    crypto.sha256_update(Bytes(text.data(), text.size()).after(at).first(100));
  Sha256 sha256;
  const bool good = crypto.sha256_finish(&sha256) && crypto.verify(*keys.data(), sha256, signature);
  // What was not begun has no digest.
  return crypto.sha256_finish(&sha256) ? "broken" : good ? "good" : "bad";
}

}  // namespace

int main() {
  std::string key;
  std::string signature;
  std::string text;
  while (std::cin >> key >> signature >> text) std::cout << judge(key, signature, text) << "\n";
  return 0;
}
