#pragma once

#include <curl/curl.h>

#include <chrono>
#include <string>

#include "ports.h"

/// Fetches by libcurl, again from where it was when a connection is lost; what has come waits until it is taken.
class CurlFetcher final : public mqtt_ota::Fetcher {
 public:
  /// A `dead` one reaches nothing.
  explicit CurlFetcher(bool dead);
  ~CurlFetcher();
  CurlFetcher(const CurlFetcher &) = delete;
  CurlFetcher &operator=(const CurlFetcher &) = delete;

  /// Wait for a network, this one's or that of another socket, but not longer than so many milliseconds.
  void wait(int other, bool other_writes, uint32_t milliseconds);
  /// Do what the network and the time allow.
  void work();
  /// Take what has come; empty where nothing has.
  std::string take();
  /// Why nothing more will come, once; empty while something may.
  std::string take_failure();

  void begin(mqtt_ota::Text url, uint32_t offset, uint32_t size) override;
  void seek(uint32_t offset) override;
  void stop() override;

 private:
  using Clock = std::chrono::steady_clock;

  static size_t on_bytes_(char *bytes, size_t, size_t count, void *fetcher);
  size_t receive_(const char *bytes, size_t count);
  void judge_head_(int code);
  bool judge_answer_();
  void start_();
  void end_();
  void fail_(const char *cause);

  CURLM *network_;
  CURL *transfer_ = nullptr;
  bool dead_;
  bool active_ = false;
  bool paused_ = false;
  std::string url_;
  std::string arrived_;
  std::string failure_;
  // Of the image: how far it has come, how far it goes; of an answer: what is to be skipped.
  uint32_t offset_ = 0;
  uint32_t size_ = 0;
  uint32_t skip_ = 0;
  bool answered_ = false;
  bool refused_ = false;
  int tries_ = 0;
  Clock::time_point try_at_;
};
