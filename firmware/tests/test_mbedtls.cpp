#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "../ports/posix/mbedtls_crypto.h"
#include "offer.h"
#include "text.h"

using namespace mqtt_ota;
using nlohmann::json;

TEST_CASE("golden signatures, by mbedtls") {
  const json golden = json::parse(std::ifstream(MQTT_OTA_GOLDEN));
  MbedtlsCrypto crypto;
  PublicKey key;
  REQUIRE(read_hex(golden["key"]["public_point"].get<std::string>(), key.data(), key.size()));
  const auto is_good = [&](const json &vector) {
    Signature signature;
    if (!read_base64(vector["signature"].get<std::string>(), signature.data(), signature.size())) return false;
    const auto text = vector["text"].get<std::string>();
    crypto.sha256_begin();
    crypto.sha256_update(Bytes(Text(text)).first(10));
    crypto.sha256_update(Bytes(Text(text)).after(10));
    Sha256 sha256;
    return crypto.sha256_finish(&sha256) && crypto.verify(key, sha256, signature);
  };
  for (const json &vector : golden["signatures"]["valid"]) CHECK(is_good(vector));
  for (const json &vector : golden["signatures"]["invalid"]) {
    CAPTURE(vector["why"].get<std::string>());
    CHECK_FALSE(is_good(vector));
  }
  PublicKey no_point{};
  CHECK_FALSE(crypto.verify(no_point, Sha256{}, Signature{}));
}
