#include "http_fetcher.h"

#include <strings.h>

#include <cstdio>
#include <cstdlib>

#include "options.h"

#ifdef CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
#include <esp_crt_bundle.h>
#endif

namespace mqtt_ota {

namespace {

constexpr int kTimeout = 5000;
constexpr int kReceiveBuffer = 1024;
// One-time addresses are long, and go out in one line.
constexpr int kSendBuffer = 1536;
constexpr size_t kPiece = 1024;
constexpr uint8_t kLosses = 5;
constexpr uint8_t kRedirects = 5;
constexpr uint32_t kPause = 1000;

}  // namespace

void HttpFetcher::begin(Text url, uint32_t offset, uint32_t size) {
  stop();
  offset_ = offset;
  size_ = size;
  losses_ = 0;
  again_at_ = clock_.now();
  char text[kMaxOffer];
  if (url.size() >= sizeof(text)) return;
  memcpy(text, url.data(), url.size());
  text[url.size()] = '\0';
  esp_http_client_config_t config = {};
  config.url = text;
  config.timeout_ms = kTimeout;
  config.buffer_size = kReceiveBuffer;
  config.buffer_size_tx = kSendBuffer;
  config.disable_auto_redirect = true;
  config.event_handler = on_event_;
  config.user_data = this;
  config.cert_pem = certificate_;
#ifdef CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
  if (certificate_ == nullptr) config.crt_bundle_attach = esp_crt_bundle_attach;
#endif
  client_ = esp_http_client_init(&config);
  if (client_ != nullptr) scheme_ = esp_http_client_get_transport_type(client_);
}

void HttpFetcher::seek(uint32_t offset) {
  offset_ = offset;
  if (flows_) esp_http_client_close(client_);
  flows_ = false;
  again_at_ = clock_.now();
}

void HttpFetcher::stop() {
  // This closes the connection, too.
  if (client_ != nullptr) esp_http_client_cleanup(client_);
  client_ = nullptr;
  flows_ = false;
  size_ = 0;
}

uint32_t HttpFetcher::idle_time() const {
  if (size_ == 0) return UINT32_MAX;
  const uint32_t now = clock_.now();
  return flows_ || is_due(again_at_, now) ? 0 : again_at_ - now;
}

void HttpFetcher::step(Board &board) {
  if (size_ == 0 || idle_time() > 0) return;
  if (client_ == nullptr) return fail_(board, "no memory, or not a URL");
  if (!flows_) {
    switch (ask_()) {
      case Answer::good:
        break;
      case Answer::lost:
        return lose_(board, "no answer");
      case Answer::refused:
        return fail_(board, nullptr);
    }
  }
  static uint8_t piece[kPiece];
  const uint32_t wanted = skip_ + (size_ - offset_);
  const int most = static_cast<int>(wanted < sizeof(piece) ? wanted : sizeof(piece));
  const int got = esp_http_client_read(client_, reinterpret_cast<char *>(piece), most);
  if (got <= 0) return lose_(board, "the connection was lost");
  const Bytes read{piece, static_cast<size_t>(got)};
  const uint32_t known = skip_ < read.size ? skip_ : static_cast<uint32_t>(read.size);
  skip_ -= known;
  const Bytes fresh = read.after(known);
  if (fresh.size == 0) return;
  losses_ = 0;
  offset_ += static_cast<uint32_t>(fresh.size);
  // The board may stop this fetcher, or send it elsewhere: nothing is done after.
  board.fetched(fresh);
}

/// Ask for the rest of the image, wherever the server says that it is.
HttpFetcher::Answer HttpFetcher::ask_() {
  if (offset_ >= size_) return Answer::lost;
  char range[24];
  snprintf(range, sizeof(range), "bytes=%lu-", static_cast<unsigned long>(offset_));
  if (offset_ > 0) {
    esp_http_client_set_header(client_, "Range", range);
  } else {
    esp_http_client_delete_header(client_, "Range");
  }
  const Answer answer = follow_();
  if (answer != Answer::good) return answer;
  const bool whole = status_ == 200;
  // What begins elsewhere would only be found out by the digest.
  if (!whole && (status_ != 206 || partial_from_ != offset_)) return status_ >= 500 ? Answer::lost : Answer::refused;
  skip_ = whole ? offset_ : 0;
  flows_ = true;
  return Answer::good;
}

/// Open the connection and read the answer's headers, across redirects within the same scheme.
HttpFetcher::Answer HttpFetcher::follow_() {
  for (uint8_t redirects = 0; redirects <= kRedirects; redirects++) {
    partial_from_ = UINT32_MAX;
    if (esp_http_client_open(client_, 0) != ESP_OK || esp_http_client_fetch_headers(client_) < 0) return Answer::lost;
    status_ = esp_http_client_get_status_code(client_);
    if (!is_redirect_(status_)) return Answer::good;
    const bool has_place = esp_http_client_set_redirection(client_) == ESP_OK;
    esp_http_client_close(client_);
    if (!has_place || esp_http_client_get_transport_type(client_) != scheme_) return Answer::refused;
  }
  return Answer::refused;
}

bool HttpFetcher::is_redirect_(int status) const {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

void HttpFetcher::lose_(Board &board, const char *why) {
  esp_http_client_close(client_);
  flows_ = false;
  if (++losses_ >= kLosses) return fail_(board, why);
  again_at_ = clock_.now() + losses_ * kPause;
}

void HttpFetcher::fail_(Board &board, const char *why) {
  char answer[24];
  snprintf(answer, sizeof(answer), "HTTP %d", status_);
  stop();
  board.fetch_failed(why != nullptr ? why : answer);
}

esp_err_t HttpFetcher::on_event_(esp_http_client_event_t *event) {
  constexpr char kUnit[] = "bytes ";
  constexpr size_t kUnitLength = sizeof(kUnit) - 1;
  const bool says_range =
      event->event_id == HTTP_EVENT_ON_HEADER && strcasecmp(event->header_key, "Content-Range") == 0;
  if (says_range && strncasecmp(event->header_value, kUnit, kUnitLength) == 0) {
    auto *self = static_cast<HttpFetcher *>(event->user_data);
    self->partial_from_ = static_cast<uint32_t>(strtoul(event->header_value + kUnitLength, nullptr, 10));
  }
  return ESP_OK;
}

}  // namespace mqtt_ota
