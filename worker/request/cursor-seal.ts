// Encrypts what a caller must bring back but must not read. The key comes from a secret that every deployment has: what decides
// about its API keys. docs/decisions/0036 says why that is enough.

import developmentList from "../../config/acl.json";
import { LIMITS } from "../../config/limits.ts";

/** AES-GCM takes 12 bytes that never repeat under one key. */
const NONCE_BYTES = 12;
/** All texts are padded to this, so that a cursor does not tell how long a name is. */
const TEXT_BYTES = 2 + LIMITS.maxKeyBytes;
/** The most that Workers allow. The API keys of an access list may be such as a person chose. */
const PBKDF2_ROUNDS = 100_000;

const encoder = new TextEncoder();

/** One per isolate, because its configuration does not change. */
let derived: { readonly secret: string; readonly key: CryptoKey } | undefined;

async function sealingKey(env: Env): Promise<CryptoKey> {
  const secret = secretOf(env);
  if (derived?.secret !== secret) {
    const material = await crypto.subtle.importKey("raw", encoder.encode(secret), "PBKDF2", false, ["deriveKey"]);
    const key = await crypto.subtle.deriveKey(
      { name: "PBKDF2", hash: "SHA-256", salt: encoder.encode("memX cursor"), iterations: PBKDF2_ROUNDS },
      material,
      { name: "AES-GCM", length: 256 },
      false,
      ["encrypt", "decrypt"],
    );
    derived = { secret, key };
  }
  return derived.key;
}

function secretOf({ SUPABASE_SERVICE_KEY, MEMX_ACL }: Env): string {
  return SUPABASE_SERVICE_KEY || MEMX_ACL || JSON.stringify(developmentList);
}

/** @param bound without which the result cannot be opened */
export async function seal(env: Env, text: string, bound: string): Promise<Uint8Array> {
  const padded = new Uint8Array(TEXT_BYTES);
  const { written } = encoder.encodeInto(text, padded.subarray(2));
  new DataView(padded.buffer).setUint16(0, written);
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = await crypto.subtle.encrypt(options(nonce, bound), await sealingKey(env), padded);
  const bytes = new Uint8Array(NONCE_BYTES + sealed.byteLength);
  bytes.set(nonce);
  bytes.set(new Uint8Array(sealed), NONCE_BYTES);
  return bytes;
}

/** @throws if the bytes were not sealed with this key and `bound` */
export async function unseal(env: Env, bytes: Uint8Array, bound: string): Promise<string> {
  const nonce = bytes.slice(0, NONCE_BYTES);
  const padded = await crypto.subtle.decrypt(options(nonce, bound), await sealingKey(env), bytes.slice(NONCE_BYTES));
  const length = new DataView(padded).getUint16(0);
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(padded.slice(2, 2 + length));
}

function options(iv: Uint8Array<ArrayBuffer>, bound: string) {
  return { name: "AES-GCM", iv, additionalData: encoder.encode(bound) };
}
