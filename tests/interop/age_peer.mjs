// Run the TypeScript age implementation: node age_peer.mjs MODULES VERB KEY… <in >out
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, verb, ...keys] = process.argv.slice(2);
const entry = createRequire(`${modules}/x.js`).resolve("age-encryption");
const age = await import(pathToFileURL(entry));
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const given = new Uint8Array(Buffer.concat(chunks));
if (verb === "keygen") {
  const identity = keys[0] === "hybrid" ? await age.generateHybridIdentity() : await age.generateX25519Identity();
  process.stdout.write(`${identity}\n${await age.identityToRecipient(identity)}\n`);
} else if (verb === "encrypt") {
  const to = new age.Encrypter();
  keys.forEach((key) => to.addRecipient(key));
  process.stdout.write(await to.encrypt(given));
} else {
  const by = new age.Decrypter();
  keys.forEach((key) => by.addIdentity(key));
  process.stdout.write(await by.decrypt(given));
}
