#include "pull.h"

namespace mqtt_ota {

namespace {

constexpr uint8_t kTries = 2;
constexpr uint32_t kLongestPatience = 8;

void add(Want *want, uint32_t number) {
  const uint32_t place = number - want->first;
  want->bitmap[place / 8] |= static_cast<uint8_t>(1 << place % 8);
}

}  // namespace

void Pull::begin(const Terms &terms, uint32_t now) {
  terms_ = terms;
  probing_ = true;
  went_back_to_ = UINT32_MAX;
  patience_ = terms.timeout;
  again(now);
}

void Pull::again(uint32_t now) {
  asked_count_ = 0;
  places_ = 0;
  tries_ = 0;
  wake_at_ = now;
}

bool Pull::is_silent(uint32_t now) const {
  return probing_ && tries_ == kTries && is_due(wake_at_, now);
}

bool Pull::next(const Held &held, uint32_t now, Want *want) {
  memset(want->bitmap, 0, sizeof(want->bitmap));
  want->tag = terms_.tag;
  want->block_size = terms_.block_size;
  want->probe = probing_;
  if (probing_) {
    if (!is_due(wake_at_, now) || tries_ == kTries) return false;
    tries_++;
    wake_at_ = now + terms_.timeout;
    want->first = held.next_missing(0);
    add(want, want->first);
    return true;
  }
  if (places_ == 0 && !begin_round_(now)) return false;
  uint32_t number = want->first = next_unasked_(held, 0);
  while (places_ > 0 && number < held.count() && number - want->first < kMaxWanted) {
    add(want, number);
    asked_[asked_count_] = number;
    asked_with_[asked_count_++] = serial_;
    places_--;
    number = next_unasked_(held, number + 1);
  }
  if (number == held.count()) places_ = 0;
  return want->first < held.count();
}

bool Pull::heard(uint32_t offset, size_t length, const Held &held, uint32_t now) {
  const uint32_t number = offset / terms_.block_size;
  if (offset % terms_.block_size != 0 || length != block_length(number, terms_.size, terms_.block_size)) return false;
  probing_ = false;
  if (!held.can_take(number) || !is_in_turn_(number, held)) return false;
  patience_ = terms_.timeout;
  wake_at_ = now + patience_;
  const uint16_t place = place_of_(number);
  if (place < asked_count_) forget_until_(asked_with_[place], number);
  return true;
}

/// Whether a block can be written now.
///
/// Where order matters, one that came too early tells that the next one is lost, and all behind it is of no use: they
/// are asked for again, once; after that silence decides, as what is still on its way says nothing new.
bool Pull::is_in_turn_(uint32_t number, const Held &held) {
  if (terms_.order == Order::any) return true;
  const uint32_t due = held.next_missing(0);
  if (due != number && due != went_back_to_) {
    went_back_to_ = due;
    asked_count_ = 0;
  }
  return due == number;
}

bool Pull::begin_round_(uint32_t now) {
  if (is_due(wake_at_, now)) {
    asked_count_ = 0;
    patience_ = patience_ * 2 < kLongestPatience * terms_.timeout ? patience_ * 2 : kLongestPatience * terms_.timeout;
    wake_at_ = now + patience_;
  }
  if (asked_count_ > terms_.window / 2) return false;
  places_ = static_cast<uint16_t>(terms_.window - asked_count_);
  serial_++;
  return true;
}

uint32_t Pull::next_unasked_(const Held &held, uint32_t from) const {
  uint32_t number = held.next_missing(from);
  while (number < held.count() && place_of_(number) < asked_count_) number = held.next_missing(number + 1);
  return number;
}

uint16_t Pull::place_of_(uint32_t number) const {
  uint16_t place = 0;
  while (place < asked_count_ && asked_[place] != number) place++;
  return place;
}

/// Forget a block that has come, and what was asked for before it and has not.
void Pull::forget_until_(uint16_t serial, uint32_t number) {
  uint16_t kept = 0;
  for (uint16_t place = 0; place < asked_count_; place++) {
    if (asked_[place] == number || static_cast<int16_t>(asked_with_[place] - serial) < 0) continue;
    asked_[kept] = asked_[place];
    asked_with_[kept++] = asked_with_[place];
  }
  asked_count_ = kept;
}

}  // namespace mqtt_ota
