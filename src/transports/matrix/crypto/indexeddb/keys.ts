/**
 * Keys as bytes, in the order in which IndexedDB sorts them: numbers, dates, texts (by UTF-16 units), bytes, lists.
 * https://www.w3.org/TR/IndexedDB/#key-construct
 */

const tag = { end: 0x00, number: 0x10, date: 0x20, text: 0x30, bytes: 0x40, list: 0x50 }

/** Throws a `DataError` for what is no key. */
export function encodeKey(key: unknown): Buffer {
  const parts: Buffer[] = []
  write(key, parts)
  return Buffer.concat(parts)
}

export function decodeKey(bytes: Uint8Array): unknown {
  return new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).read()
}

function write(key: unknown, parts: Buffer[]): void {
  if (typeof key === 'number') parts.push(Buffer.of(tag.number), numberBytes(key))
  else if (key instanceof Date) parts.push(Buffer.of(tag.date), numberBytes(key.getTime()))
  else if (typeof key === 'string') parts.push(Buffer.of(tag.text), textBytes(key))
  else if (key instanceof ArrayBuffer) parts.push(Buffer.of(tag.bytes), escaped(Buffer.from(key)))
  else if (ArrayBuffer.isView(key)) {
    parts.push(Buffer.of(tag.bytes), escaped(Buffer.from(key.buffer, key.byteOffset, key.byteLength)))
  } else if (Array.isArray(key)) {
    parts.push(Buffer.of(tag.list))
    for (const part of key) write(part, parts)
    parts.push(Buffer.of(tag.end))
  } else throw new DOMException(`a ${typeof key} is no key`, 'DataError')
}

/** The bits of a double sort as the numbers do when negative ones are inverted and positive ones get the sign bit. */
function numberBytes(value: number): Buffer {
  if (Number.isNaN(value)) throw new DOMException('NaN is no key', 'DataError')
  const bytes = Buffer.alloc(8)
  // There is one zero.
  bytes.writeDoubleBE(value === 0 ? 0 : value)
  return turned(bytes, value < 0)
}

function turned(bytes: Buffer, negative: boolean): Buffer {
  return Buffer.from(bytes.map((byte, at) => byte ^ (negative ? 0xff : at === 0 ? 0x80 : 0)))
}

/** UTF-16 in big-endian, ended by a zero: zeros and ones of its own are written as two units. */
function textBytes(text: string): Buffer {
  // oxlint-disable-next-line no-control-regex -- they are what has to be written as two
  const own = text.replaceAll(/[\0\x01]/g, (unit) => (unit === '\0' ? '\x01\x01' : '\x01\x02'))
  return Buffer.from(`${own}\0`, 'utf16le').swap16()
}

/** Ended by two zeros: a zero of its own is followed by 0xff. */
function escaped(bytes: Buffer): Buffer {
  const out: number[] = []
  for (const byte of bytes) {
    out.push(byte)
    if (byte === 0) out.push(0xff)
  }
  return Buffer.from([...out, 0, 0])
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  read(): unknown {
    const kind = this.#next()
    switch (kind) {
      case tag.number:
        return this.#number()
      case tag.date:
        return new Date(this.#number())
      case tag.text:
        return this.#text()
      case tag.bytes:
        return this.#binary()
      default:
        return this.#list()
    }
  }

  #next(): number {
    return this.#bytes.readUInt8(this.#at++)
  }

  #number(): number {
    const bytes = this.#bytes.subarray(this.#at, (this.#at += 8))
    return turned(bytes, bytes.readUInt8() < 0x80).readDoubleBE()
  }

  #text(): string {
    const units: number[] = []
    for (;;) {
      const unit = this.#bytes.readUInt16BE(this.#at)
      this.#at += 2
      if (unit === 0) return String.fromCharCode(...units)
      if (unit !== 1) units.push(unit)
      else {
        units.push(this.#bytes.readUInt16BE(this.#at) - 1)
        this.#at += 2
      }
    }
  }

  #binary(): ArrayBuffer {
    const out: number[] = []
    for (;;) {
      const byte = this.#next()
      if (byte === 0 && this.#next() === 0) return new Uint8Array(out).buffer
      out.push(byte)
    }
  }

  #list(): unknown[] {
    const parts: unknown[] = []
    while (this.#bytes.readUInt8(this.#at) !== tag.end) parts.push(this.read())
    this.#at++
    return parts
  }
}
