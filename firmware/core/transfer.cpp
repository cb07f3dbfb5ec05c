#include "transfer.h"

#include "crc32.h"
#include "image_header.h"

namespace mqtt_ota {

void Transfer::begin(const Offer &offer, bool shared) {
  const uint16_t offered = offer.transport == Transport::blocks ? offer.block_size : kMaxBlockSize;
  const uint16_t block_size = offered < settings_.block_size ? offered : settings_.block_size;
  active_ = true;
  begun_ = journal_.read(&record_) && is_of(offer) && record_.size == offer.manifest.size &&
           record_.running == ports_.boot.running() && resume_();
  if (!begun_) {
    const Manifest &manifest = offer.manifest;
    record_ = {offer.session, manifest.sha256, manifest.size, manifest.counter, block_size, ports_.boot.running()};
    block_size_ = block_size;
    held_.reset(block_count(manifest.size, block_size));
  }
  redirect(offer, shared);
}

bool Transfer::is_said_again(const Offer &offer) const {
  return is_of(offer) && record_.session == offer.session && record_.size == offer.manifest.size &&
         record_.counter == offer.manifest.counter;
}

void Transfer::take(const Offer &offer) {
  const bool is_known = record_.session == offer.session && record_.counter == offer.manifest.counter;
  record_.session = offer.session;
  record_.counter = offer.manifest.counter;
  if (begun_ && !is_known) journal_.write(record_);
}

void Transfer::redirect(const Offer &offer, bool shared) {
  take(offer);
  transport_ = offer.transport;
  shared_ = shared;
  way_ = way_of_(offer);
  heard_at_ = ports_.clock.now();
  fetched_at_ = first_missing();
  filled_ = 0;
  begin_pull_(offer.window);
}

Topic Transfer::topic(const Voice &voice) const {
  return shared_ ? voice.shared(tag_of(record_.sha256)) : voice.own("block");
}

uint32_t Transfer::held() const {
  const uint32_t blocks = held_.held();
  const uint32_t last = held_.count() - 1;
  const uint32_t short_of = held_.has(last) ? block_size_ - block_length(last, record_.size, block_size_) : 0;
  return blocks * block_size_ - short_of;
}

bool Transfer::ask(const Voice &voice) {
  const uint32_t now = ports_.clock.now();
  if (pull_.is_silent(now)) {
    if (block_size_ == kMinBlockSize) return false;
    recut_(block_size_ < 2 * kMinBlockSize ? kMinBlockSize : static_cast<uint16_t>(block_size_ / 2));
    begin_pull_(pull_.terms().window);
  }
  Want want;
  while (pull_.next(held_, now, &want)) voice.ask(want);
  return true;
}

bool Transfer::heard(const FrameReader &frame) {
  if (frame.tag() != pull_.terms().tag) return false;
  const uint32_t now = ports_.clock.now();
  heard_at_ = now;
  return pull_.heard(frame.offset(), frame.block().size, held_, now);
}

bool Transfer::fill(Bytes *piece, uint32_t *offset, Bytes *block) {
  heard_at_ = ports_.clock.now();
  while (piece->size > 0 && fetched_at_ < record_.size) {
    const uint32_t number = fetched_at_ / block_size_;
    const uint32_t length = block_length(number, record_.size, block_size_);
    const Bytes part = piece->first(length - filled_);
    memcpy(memory_.block + filled_, part.data, part.size);
    filled_ = static_cast<uint16_t>(filled_ + part.size);
    *piece = piece->after(part.size);
    if (filled_ < length) return false;
    *offset = fetched_at_;
    *block = {memory_.block, length};
    fetched_at_ += length;
    filled_ = 0;
    if (held_.can_take(number)) return true;
  }
  return false;
}

void Transfer::spoil() {
  if (!active_ || by_blocks() || filled_ == 0) return;
  filled_ = 0;
  ports_.fetcher->seek(fetched_at_);
}

bool Transfer::store(uint32_t offset, Bytes block) {
  if (!prepare_() || !ports_.slot.write(offset, block)) return false;
  const uint32_t number = offset / block_size_;
  held_.add(number);
  journal_.keep(held_, number);
  return true;
}

Reason Transfer::verify() {
  ports_.crypto.sha256_begin();
  bool bootable = false;
  for (uint32_t offset = 0; offset < record_.size;) {
    const uint32_t rest = record_.size - offset;
    const size_t length = rest < memory_.block_size ? rest : memory_.block_size;
    if (!ports_.slot.read(offset, memory_.block, length)) return Reason::flash;
    if (offset == 0) bootable = is_bootable({memory_.block, length}, settings_.chip);
    ports_.crypto.sha256_update({memory_.block, length});
    offset += static_cast<uint32_t>(length);
  }
  Sha256 sha256;
  if (!ports_.crypto.sha256_finish(&sha256) || sha256 != record_.sha256) return Reason::digest;
  return bootable ? Reason::none : Reason::image;
}

Reason Transfer::activate() {
  Trial trial{record_.session, record_.sha256, record_.size, record_.counter, record_.running, 0};
  if (!journal_.write(trial)) return Reason::flash;
  if (!ports_.slot.activate()) {
    journal_.forget_trial();
    return Reason::image;
  }
  // From here on the record is of no use; without this mark a power cut lets the next life activate once more.
  trial.started = 1;
  journal_.write(trial);
  journal_.forget_record();
  return Reason::none;
}

uint32_t Transfer::way_of_(const Offer &offer) {
  const auto transport = static_cast<uint8_t>(offer.transport);
  Crc32 way;
  way.add({&transport, 1});
  way.add(Bytes(offer.transport == Transport::blocks ? offer.topic : offer.url));
  return way.value();
}

/// Take up what the record tells of, counted in blocks that there is memory for.
bool Transfer::resume_() {
  block_size_ = record_.block_size;
  journal_.restore(block_count(record_.size, block_size_), &held_);
  if (block_size_ > settings_.block_size) recut_(settings_.block_size);
  return ports_.slot.resume(record_.size, is_whole() ? record_.size : first_missing());
}

void Transfer::begin_pull_(uint16_t window) {
  const uint16_t most = settings_.window;
  pull_.begin({tag_of(record_.sha256), record_.size, block_size_, window < most ? window : most, settings_.order,
               settings_.ask_timeout},
              ports_.clock.now());
}

/// Count in smaller blocks. Only what is held without a gap stays held: the rest costs time.
void Transfer::recut_(uint16_t block_size) {
  const uint32_t count = block_count(record_.size, block_size);
  held_.reset(count, is_whole() ? count : first_missing() / block_size);
  block_size_ = block_size;
}

/// Make the slot ready for a block: erase it for another image, or keep the bitmap that counts anew.
bool Transfer::prepare_() {
  if (begun_ && record_.block_size == block_size_) return true;
  journal_.forget_record();
  if (!begun_ && !ports_.slot.begin(record_.size)) return false;
  begun_ = true;
  record_.block_size = block_size_;
  // Without its bitmap a record would tell of blocks of another image.
  if (journal_.keep_all(held_)) journal_.write(record_);
  return true;
}

}  // namespace mqtt_ota
