#include "fakes.h"

#include <algorithm>

using namespace mqtt_ota;

FakeFlash::FakeFlash(Power &power, size_t capacity) : power_(power), capacity_(static_cast<uint32_t>(capacity)) {
  for (auto &slot : slots_) slot.assign(capacity, 0xFF);
}

void FakeFlash::boot(bool new_image_is_broken) {
  if (trial_ == Trial::chosen && !new_image_is_broken) {
    trial_ = Trial::booted;
  } else {
    trial_ = Trial::none;
  }
  running_ = trial_ == Trial::booted ? static_cast<uint8_t>(1 - active_) : active_;
}

void FakeFlash::flash_by_cable(const std::vector<uint8_t> &image) {
  slots_[running_] = image;
  slots_[running_].resize(capacity_, 0xFF);
}

bool FakeFlash::begin(uint32_t size) {
  begun++;
  if (!can_begin) return false;
  auto &slot = slots_[1 - running_];
  const auto until = std::min<size_t>((size + 4095) / 4096 * 4096, slot.size());
  switch (power_.write()) {
    case Power::Write::whole:
      std::fill_n(slot.begin(), until, uint8_t{0xFF});
      break;
    case Power::Write::torn:
      std::fill_n(slot.begin(), until / 2, uint8_t{0xFF});
      break;
    case Power::Write::none:
      break;
  }
  return true;
}

bool FakeFlash::resume(uint32_t, uint32_t) {
  return can_resume;
}

bool FakeFlash::write(uint32_t offset, Bytes bytes) {
  if (bad_at > 0 && offset < bad_at && bad_at <= offset + bytes.size) return false;
  const Power::Write how = power_.write();
  const size_t count = how == Power::Write::whole ? bytes.size : how == Power::Write::torn ? bytes.size / 2 : 0;
  auto &slot = slots_[1 - running_];
  for (size_t place = 0; place < count; place++) {
    uint8_t &cell = slot.at(offset + place);
    abused = abused || (cell & bytes.data[place]) != bytes.data[place];
    cell &= bytes.data[place];
  }
  return true;
}

bool FakeFlash::read(uint32_t offset, uint8_t *into, size_t size) {
  const auto &slot = slots_[1 - running_];
  if (offset + size > slot.size()) return false;
  std::copy_n(slot.data() + offset, size, into);
  if (lies) into[0] ^= 0xFF;
  return true;
}

bool FakeFlash::activate() {
  if (can_activate && power_.write() == Power::Write::whole) trial_ = Trial::chosen;
  return can_activate;
}

bool FakeFlash::confirm() {
  if (power_.write() == Power::Write::whole) {
    active_ = running_;
    trial_ = Trial::none;
  }
  return true;
}

void FakeFlash::roll_back() {
  if (power_.write() == Power::Write::whole) trial_ = Trial::none;
  restarts++;
}

size_t FakeStore::get(const char *name, uint8_t *into, size_t size) {
  const auto found = values.find(name);
  if (found == values.end() || found->second.size() > size) return 0;
  std::copy(found->second.begin(), found->second.end(), into);
  return found->second.size();
}

bool FakeStore::put(const char *name, Bytes value) {
  if (full) return false;
  if (power_.write() == Power::Write::whole) values[name] = std::string(value.text());
  return true;
}

bool FakeStore::erase(const char *name) {
  if (power_.write() == Power::Write::whole) values.erase(name);
  return true;
}

void FakeBroker::publish(const char *topic, Bytes payload, uint8_t qos, bool retain) {
  if (!power_.on) return;
  said.push_back({topic, std::string(payload.text()), qos, retain});
  unheard.push_back(said.back());
}

void FakeBroker::subscribe(const char *topic, uint8_t qos) {
  if (power_.on) subscribed[topic] = qos;
}

bool FakeCrypto::verify(const PublicKey &key, const Sha256 &sha256, const Signature &signature) {
  return std::equal(key.begin(), key.begin() + 32, signature.begin()) &&
         std::equal(sha256.begin(), sha256.end(), signature.begin() + 32);
}

Signature FakeCrypto::sign(const PublicKey &key, const std::string &text) {
  Signature signature;
  const Sha256 sha256 = sha256_of({text.begin(), text.end()});
  std::copy_n(key.begin(), 32, signature.begin());
  std::copy(sha256.begin(), sha256.end(), signature.begin() + 32);
  return signature;
}
