#include "offer.h"

#include "fuzz.h"
#include "text.h"

using namespace mqtt_ota;

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  std::string payload = copy_of(input, size);
  Offer offer;
  const char *detail = nullptr;
  const Reading reading = read_offer(payload.data(), payload.size(), &offer, &detail);
  must((reading == Reading::invalid) == (detail != nullptr && reading != Reading::nobody));
  if (reading == Reading::good) {
    must(size <= kMaxOffer && is_line(offer.manifest.version) && offer.manifest.size > 0);
    must(offer.transport != Transport::blocks || (offer.window >= 1 && offer.block_size >= kMinBlockSize));
    must((offer.transport == Transport::blocks) == offer.url.empty());
  }
  std::string cancel = copy_of(input, size);
  Session session;
  must(read_cancel(cancel.data(), cancel.size(), &session) == (reading != Reading::nobody));
  return 0;
}
