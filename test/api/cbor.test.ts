// SPDX-License-Identifier: ISC
/** Values as bytes: what goes in comes out, as RFC 8949 has it, and damage is noticed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decode, Encoder } from "#src/api/cbor.js";
import { codeOf } from "./support.js";

const encoder = new Encoder();

function encoded(value: unknown): Uint8Array {
  const length = encoder.encode(value);
  return encoder.bytes.slice(0, length);
}

function trip(value: unknown): unknown {
  const bytes = encoded(value);
  return decode(bytes, bytes.length);
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

/** Examples of RFC 8949, appendix A. */
const EXAMPLES: readonly (readonly [value: unknown, bytes: string])[] = [
  [0, "00"],
  [1, "01"],
  [10, "0a"],
  [23, "17"],
  [24, "1818"],
  [100, "1864"],
  [1000, "1903e8"],
  [1000000, "1a000f4240"],
  [1000000000000, "1b000000e8d4a51000"],
  [18446744073709551616n, "c249010000000000000000"],
  [-18446744073709551617n, "c349010000000000000000"],
  [-1, "20"],
  [-10, "29"],
  [-100, "3863"],
  [-1000, "3903e7"],
  [1.1, "fb3ff199999999999a"],
  [-4.1, "fbc010666666666666"],
  [1.0e300, "fb7e37e43c8800759c"],
  [Number.POSITIVE_INFINITY, "fb7ff0000000000000"],
  [Number.NaN, "fb7ff8000000000000"],
  [-0, "fb8000000000000000"],
  [false, "f4"],
  [true, "f5"],
  [null, "f6"],
  ["", "60"],
  ["a", "6161"],
  ["IETF", "6449455446"],
  ['"\\', "62225c"],
  ["\u00fc", "62c3bc"],
  ["\u6c34", "63e6b0b4"],
  ["\u{10151}", "64f0908591"],
  [hex(""), "40"],
  [hex("01020304"), "4401020304"],
  [[], "80"],
  [[1, 2, 3], "83010203"],
  [[1, [2, 3], [4, 5]], "8301820203820405"],
  [{}, "a0"],
  [{ a: 1, b: [2, 3] }, "a26161016162820203"],
  [["a", { b: "c" }], "826161a161626163"],
];

describe("encoding", () => {
  for (const [value, bytes] of EXAMPLES) {
    test(bytes, () => {
      assert.deepEqual(encoded(value), hex(bytes));
      assert.deepEqual(trip(value), value);
    });
  }

  test("what only others encode is decoded", () => {
    const cases: readonly (readonly [string, unknown])[] = [
      ["f90000", 0],
      ["f98000", -0],
      ["f93c00", 1],
      ["f93e00", 1.5],
      ["f97bff", 65504],
      ["f90001", 2 ** -24],
      ["f90400", 0.00006103515625],
      ["f9c400", -4],
      ["f97c00", Number.POSITIVE_INFINITY],
      ["f97e00", Number.NaN],
      ["fac7c3fb00", -100342],
      ["1bffffffffffffffff", 18446744073709551615n],
      ["3bffffffffffffffff", -18446744073709551616n],
      ["1b001fffffffffffff", Number.MAX_SAFE_INTEGER],
      ["3b001ffffffffffffe", -Number.MAX_SAFE_INTEGER],
      ["3b001fffffffffffff", -9007199254740992n],
      ["c11a514b67b0", new Date("2013-03-21T20:04:00Z")],
      ["c1fb41d452d9ec200000", new Date("2013-03-21T20:04:00.500Z")],
    ];
    for (const [bytes, value] of cases) {
      assert.deepEqual(decode(hex(bytes), bytes.length / 2), value, bytes);
    }
  });
});

describe("a round trip keeps", () => {
  test("numbers and bigints apart", () => {
    for (const value of [5, 5n, -5n, 0n, 2 ** 53, 2n ** 200n, -(2n ** 64n)]) {
      assert.equal(trip(value), value);
    }
    assert.ok(Object.is(trip(-0), -0));
  });

  test("dates, to the millisecond", () => {
    for (const ms of [0, 1, -1, 1763650000123, 4e15, -4e15, 4e15 + 1]) {
      assert.equal((trip(new Date(ms)) as Date).getTime(), ms);
    }
    assert.ok(Number.isNaN((trip(new Date(Number.NaN)) as Date).getTime()));
  });

  test("bytes of every view, as Uint8Array", () => {
    const words = new Uint16Array([0x0201, 0x0403]);
    assert.deepEqual(trip(words), hex("01020304"));
    assert.deepEqual(trip(new DataView(words.buffer, 1, 2)), hex("0203"));
    assert.deepEqual(trip(words.buffer), hex("01020304"));
    assert.deepEqual(trip(Buffer.from("hi")), hex("6869"));
    const shared = new SharedArrayBuffer(2);
    assert.deepEqual(trip(shared), hex("0000"));
    const long = new Uint8Array(100_000).fill(7);
    assert.deepEqual(trip(long), long);
  });

  test("text of every length around the limits", () => {
    for (const length of [22, 23, 24, 25, 84, 85, 86, 255, 256, 21845, 21846, 65535, 65536]) {
      for (const char of ["x", "\u00e9", "\u6c34"]) {
        const text = char.repeat(length);
        assert.equal(trip(text), text);
      }
    }
    // What is no character has no UTF-8, and becomes the sign for that.
    assert.equal(trip("\ud800"), "\ufffd");
    assert.equal(trip("\ufeffbom"), "\ufeffbom");
  });

  test("undefined inside of something, and keys like __proto__", () => {
    assert.deepEqual(trip([undefined, { a: undefined }]), [undefined, { a: undefined }]);
    const odd = JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}');
    const back = trip(odd) as Record<string, unknown>;
    assert.equal(Object.getPrototypeOf(back), Object.prototype);
    assert.deepEqual(Object.keys(back), ["__proto__", "constructor"]);
    assert.deepEqual(trip(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
  });

  test("random plain data", () => {
    const values = fc.anything({
      withBigInt: true,
      maxDepth: 4,
      values: [
        fc.date({ min: new Date(-4e15), max: new Date(4e15), noInvalidDate: true }),
        fc.string({ unit: "grapheme" }),
        fc.double(),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
      ],
    });
    fc.assert(
      fc.property(values, (value) => {
        if (value === undefined) return;
        assert.deepStrictEqual(trip([value]), [plain(value)]);
      }),
      { numRuns: 500 },
    );
  });
});

/** The same value with ordinary prototypes and dates that are whole. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return Array.from(value, plain);
  if (value instanceof Date || typeof value !== "object" || value === null) return value;
  const object: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    Object.defineProperty(object, key, {
      value: plain(inner),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return object;
}

describe("refused", () => {
  test("what is no plain data, by its path", () => {
    class Own {}
    const message = (value: unknown): string => codeOf(() => encoded(value), "EINVAL");
    assert.match(message(undefined), /value is undefined/);
    assert.match(
      message(() => {}),
      /value is a function/,
    );
    assert.match(message(Symbol("x")), /value is a symbol/);
    assert.match(message(new Map()), /value is a Map/);
    assert.match(message({ list: [1, new Own()] }), /value\.list\[1\] is a Own/);
    assert.match(message([new Set()]), /value\[0\] is a Set/);
    assert.match(message(/x/), /value is a RegExp/);
    const cycle: unknown[] = [];
    cycle.push(cycle);
    assert.match(message(cycle), /contains itself/);
  });

  test("64 levels are accepted, 65 are not", () => {
    let deep: unknown = [];
    for (let i = 1; i < 64; i++) deep = [deep];
    assert.deepEqual(trip(deep), deep);
    codeOf(() => encoded([deep]), "EINVAL");
  });

  test("an encoder is as good as new after an error", () => {
    codeOf(() => encoded([1, 2, new Map()]), "EINVAL");
    assert.deepEqual(trip("fine"), "fine");
  });
});

describe("damage is noticed", () => {
  const bad = {
    "nothing at all": "",
    "a length that is not given": "5f42010243030405ff",
    "an array that is not ended": "9f0102",
    "a head cut short": "19",
    "a long head cut short": "1b000000e8d4a510",
    "text cut short": "6261",
    "text that is not UTF-8": "62c328",
    "long text that is not UTF-8": `7819${"61".repeat(24)}ff`,
    "bytes cut short": "4401",
    "an array cut short": "8301",
    "an array longer than memory": "9bffffffffffffffff",
    "an object longer than memory": "bbffffffffffffffff",
    "a key without a value": "a16161",
    "a key that is no text": "a10102",
    "an unknown tag": "d82001",
    "a date that is no number": "c16161",
    "a bignum that is no bytes": "c201",
    "an unknown simple value": "f0",
    "an undefined simple value": "f818",
    "a reserved length": "1c",
    "something left over": "0101",
    "a float cut short": "fb3ff1",
    "a half cut short": "f93c",
  };
  for (const [name, bytes] of Object.entries(bad)) {
    test(name, () => {
      assert.match(
        codeOf(() => decode(hex(bytes), bytes.length / 2), "EBADMSG"),
        /damaged/,
      );
    });
  }

  test("nesting beyond the limit", () => {
    const bytes = hex(`${"81".repeat(100)}00`);
    codeOf(() => decode(bytes, bytes.length), "EBADMSG");
  });

  test("random bytes never do anything else than decode or be refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decode(bytes, bytes.length);
        } catch (error) {
          assert.equal((error as { code?: string }).code, "EBADMSG");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
