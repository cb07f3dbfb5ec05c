#pragma once

#include <esp_http_client.h>

#include "board.h"

namespace mqtt_ota {

/// Pulls an image by its URL, a piece at each step, with ranges where it goes on.
class HttpFetcher final : public Fetcher {
 public:
  explicit HttpFetcher(Clock &clock) : clock_(clock) {}

  /// Trust this authority (PEM), instead of the certificate bundle. It must outlive the fetcher.
  void trust(const char *certificate) { certificate_ = certificate; }
  /// Read a little and tell the board; it may wait for the network, some seconds at most.
  void step(Board &board);
  /// In how many milliseconds `step` has something to do; UINT32_MAX when nothing is fetched.
  uint32_t idle_time() const;

  void begin(Text url, uint32_t offset, uint32_t size) override;
  void seek(uint32_t offset) override;
  void stop() override;

 private:
  enum class Answer : uint8_t { good, lost, refused };

  Answer ask_();
  Answer follow_();
  bool is_redirect_(int status) const;
  void lose_(Board &board, const char *why);
  void fail_(Board &board, const char *why);
  static esp_err_t on_event_(esp_http_client_event_t *event);

  Clock &clock_;
  const char *certificate_ = nullptr;
  esp_http_client_handle_t client_ = nullptr;
  esp_http_client_transport_t scheme_ = HTTP_TRANSPORT_UNKNOWN;
  // Of the next byte that the board is to be told, and the image's.
  uint32_t offset_ = 0;
  uint32_t size_ = 0;
  // Bytes of an answer that the board has already; where a partial answer says that it begins.
  uint32_t skip_ = 0;
  uint32_t partial_from_ = 0;
  uint32_t again_at_ = 0;
  int status_ = 0;
  uint8_t losses_ = 0;
  bool flows_ = false;
};

}  // namespace mqtt_ota
