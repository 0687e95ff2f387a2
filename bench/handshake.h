/*
 * The server's answer to a WebSocket key (RFC 6455, section 4.2.2): base64(SHA-1(key + GUID)).
 * Shared by the load generator, which checks answers, and the floor, which gives them.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void to_base64(const uint8_t *bytes, size_t size, char *text) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t at = 0;
  for (size_t i = 0; i < size; i += 3) {
    uint32_t three = 0;
    for (size_t j = 0; j < 3; j++) three = three << 8 | (i + j < size ? bytes[i + j] : 0);
    for (size_t j = 0; j < 4; j++) text[at++] = i + j <= size ? digits[three >> (18 - 6 * j) & 63] : '=';
  }
  text[at] = 0;
}

static uint32_t rotated(uint32_t word, int by) { return word << by | word >> (32 - by); }

static void sha1_block(const uint8_t block[64], uint32_t state[5]) {
  static const uint32_t constants[4] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
  uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (int t = 0; t < 80; t++) {
    if (t < 16)
      w[t] = (uint32_t)block[4 * t] << 24 | block[4 * t + 1] << 16 | block[4 * t + 2] << 8 | block[4 * t + 3];
    else
      w[t] = rotated(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    uint32_t mix = t < 20 ? (b & c) | (~b & d) : t >= 40 && t < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
    uint32_t next = rotated(a, 5) + mix + e + constants[t / 20] + w[t];
    e = d, d = c, c = rotated(b, 30), b = a, a = next;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

/* `key`: 24 characters; `answer` takes 28 and a zero. Key and GUID are 60 bytes: with the padding, two blocks. */
static void answer_to_key(const char *key, char answer[29]) {
  uint8_t padded[128] = {0}, digest[20];
  uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  memcpy(padded, key, 24);
  memcpy(padded + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
  padded[60] = 0x80;
  padded[126] = 60 * 8 >> 8, padded[127] = (60 * 8) & 255;
  sha1_block(padded, state), sha1_block(padded + 64, state);
  for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
  to_base64(digest, 20, answer);
}
