#include "curl_fetcher.h"

#include <algorithm>
#include <cstring>
#include <utility>

using mqtt_ota::Text;

namespace {

constexpr int kTries = 5;
constexpr long kTimeout = 10;
constexpr std::chrono::milliseconds kPause{200};
// What waits for the flash: the rest waits in the network.
constexpr size_t kAhead = 65536;
constexpr long kWhole = 200;
constexpr long kPartialContent = 206;

}  // namespace

CurlFetcher::CurlFetcher(bool dead) : dead_(dead) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  network_ = curl_multi_init();
}

CurlFetcher::~CurlFetcher() {
  end_();
  curl_multi_cleanup(network_);
  curl_global_cleanup();
}

void CurlFetcher::wait(int other, bool other_writes, uint32_t milliseconds) {
  curl_waitfd also{other, static_cast<short>(CURL_WAIT_POLLIN | (other_writes ? CURL_WAIT_POLLOUT : 0)), 0};
  if (!arrived_.empty() || !failure_.empty()) milliseconds = 0;
  curl_multi_poll(network_, &also, other >= 0 ? 1 : 0, static_cast<int>(milliseconds), nullptr);
}

void CurlFetcher::work() {
  if (!active_) return;
  if (transfer_ == nullptr) {
    if (Clock::now() >= try_at_) start_();
    return;
  }
  if (paused_ && arrived_.size() < kAhead) {
    paused_ = false;
    curl_easy_pause(transfer_, CURLPAUSE_CONT);
  }
  int running = 0;
  curl_multi_perform(network_, &running);
  int left = 0;
  const CURLMsg *message = curl_multi_info_read(network_, &left);
  if (message == nullptr || message->msg != CURLMSG_DONE) return;
  const CURLcode code = message->data.result;
  judge_head_(code);
  end_();
  if (offset_ == size_) {
    active_ = false;
  } else if (refused_) {
    fail_("not what was asked for");
  } else if (++tries_ < kTries) {
    try_at_ = Clock::now() + tries_ * kPause;
  } else {
    fail_(code == CURLE_OK ? "too short" : curl_easy_strerror(code));
  }
}

std::string CurlFetcher::take() {
  return std::exchange(arrived_, {});
}

std::string CurlFetcher::take_failure() {
  return arrived_.empty() ? std::exchange(failure_, {}) : std::string{};
}

void CurlFetcher::begin(Text url, uint32_t offset, uint32_t size) {
  stop();
  url_ = url;
  size_ = size;
  tries_ = 0;
  seek(offset);
  if (dead_) fail_("no route");
}

void CurlFetcher::seek(uint32_t offset) {
  stop();
  offset_ = offset;
  active_ = true;
  try_at_ = Clock::now();
}

void CurlFetcher::stop() {
  end_();
  active_ = false;
  arrived_.clear();
  failure_.clear();
}

size_t CurlFetcher::on_bytes_(char *bytes, size_t, size_t count, void *fetcher) {
  return static_cast<CurlFetcher *>(fetcher)->receive_(bytes, count);
}

size_t CurlFetcher::receive_(const char *bytes, size_t count) {
  if (arrived_.size() >= kAhead) {
    paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (!answered_ && !judge_answer_()) return CURL_WRITEFUNC_ERROR;
  const size_t skipped = std::min<size_t>(skip_, count);
  const size_t taken = std::min<size_t>(count - skipped, size_ - offset_);
  skip_ -= static_cast<uint32_t>(skipped);
  arrived_.append(bytes + skipped, taken);
  offset_ += static_cast<uint32_t>(taken);
  if (taken > 0) tries_ = 0;
  return count;
}

/// Judge an answer that ended before its first byte: what is no image is none either where it breaks off there.
void CurlFetcher::judge_head_(int code) {
  long status = 0;
  curl_easy_getinfo(transfer_, CURLINFO_RESPONSE_CODE, &status);
  // A server in trouble is asked again.
  if (!answered_ && code != CURLE_HTTP_RETURNED_ERROR && status != 0) judge_answer_();
}

/// Find out where an answer begins: only an image from its start, or from where it was asked for, is one.
bool CurlFetcher::judge_answer_() {
  long status = 0;
  curl_easy_getinfo(transfer_, CURLINFO_RESPONSE_CODE, &status);
  curl_header *range = nullptr;
  const std::string wanted = "bytes " + std::to_string(offset_) + "-";
  const bool is_rest = status == kPartialContent &&
                       curl_easy_header(transfer_, "Content-Range", 0, CURLH_HEADER, -1, &range) == CURLHE_OK &&
                       strncmp(range->value, wanted.c_str(), wanted.size()) == 0;
  skip_ = is_rest ? 0 : offset_;
  answered_ = true;
  refused_ = !is_rest && status != kWhole;
  return !refused_;
}

void CurlFetcher::start_() {
  transfer_ = curl_easy_init();
  answered_ = false;
  refused_ = false;
  paused_ = false;
  curl_easy_setopt(transfer_, CURLOPT_URL, url_.c_str());
  curl_easy_setopt(transfer_, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(transfer_, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(transfer_, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(transfer_, CURLOPT_PROXY, "");
  curl_easy_setopt(transfer_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(transfer_, CURLOPT_CONNECTTIMEOUT, kTimeout);
  curl_easy_setopt(transfer_, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(transfer_, CURLOPT_LOW_SPEED_TIME, kTimeout);
  const bool secure = url_.compare(0, 6, "https:") == 0;
  curl_easy_setopt(transfer_, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http");
  curl_easy_setopt(transfer_, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http");
  if (offset_ > 0) curl_easy_setopt(transfer_, CURLOPT_RANGE, (std::to_string(offset_) + "-").c_str());
  curl_easy_setopt(transfer_, CURLOPT_WRITEFUNCTION, on_bytes_);
  curl_easy_setopt(transfer_, CURLOPT_WRITEDATA, this);
  curl_multi_add_handle(network_, transfer_);
}

void CurlFetcher::end_() {
  if (transfer_ == nullptr) return;
  curl_multi_remove_handle(network_, transfer_);
  curl_easy_cleanup(transfer_);
  transfer_ = nullptr;
}

void CurlFetcher::fail_(const char *cause) {
  end_();
  active_ = false;
  failure_ = cause;
}
