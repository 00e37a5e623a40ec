/* CRC-64 as Redis puts it at the end of an RDB file: polynomial 0xad93d23594c935a9 (Jones), reflected, start 0, not
 * inverted. Source: the check value of that algorithm over "123456789" is 0xe9c6d914c4b8d9ca. */

#include <stddef.h>
#include <stdint.h>

#define POLYNOMIAL UINT64_C(0x95ac9329ac4bc9b5) /* the same, bits reversed */

static uint64_t table[8][256];

/* Eight tables, so that eight bytes are looked up at once. Made when the library is loaded: no two threads race. */
__attribute__((constructor)) static void make_table(void)
{
    for (int i = 0; i < 256; i++) {
        uint64_t value = (uint64_t)i;
        for (int bit = 0; bit < 8; bit++)
            value = (value >> 1) ^ (value & 1 ? POLYNOMIAL : 0);
        table[0][i] = value;
    }
    for (int i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            table[k][i] = table[0][table[k - 1][i] & 0xff] ^ (table[k - 1][i] >> 8);
}

/* The CRC of what `crc` is of, followed by `size` bytes at `data`. */
uint64_t holdfast_crc64(uint64_t crc, const unsigned char *data, size_t size)
{
    while (size >= 8) {
        for (int k = 0; k < 8; k++)
            crc ^= (uint64_t)data[k] << (8 * k);
        crc = table[7][crc & 0xff] ^ table[6][(crc >> 8) & 0xff] ^ table[5][(crc >> 16) & 0xff] ^
              table[4][(crc >> 24) & 0xff] ^ table[3][(crc >> 32) & 0xff] ^ table[2][(crc >> 40) & 0xff] ^
              table[1][(crc >> 48) & 0xff] ^ table[0][crc >> 56];
        data += 8;
        size -= 8;
    }
    while (size--)
        crc = table[0][(crc ^ *data++) & 0xff] ^ (crc >> 8);
    return crc;
}
