// An application with a library of its own: signs a person in through their browser and uses what they allowed.
// Arguments: issuer, client id, client secret or "". Prints one JSON object on each line.
import http from "node:http";
import * as client from "openid-client";

const [issuer, clientId, secret] = process.argv.slice(2);
const say = (line) => console.log(JSON.stringify(line));
const authentication = secret ? client.ClientSecretPost(secret) : client.None();
const config = await client.discovery(new URL(issuer), clientId, undefined, authentication, { algorithm: "oauth2" });

const server = http.createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const redirect = `http://127.0.0.1:${server.address().port}/callback`;
const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const begin = client.buildAuthorizationUrl(config, {
  redirect_uri: redirect,
  scope: "records.read records.write",
  state,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});
say({ authorize: begin.href, redirect });

const back = await new Promise((arrived) => server.once("request", (request, response) => {
  response.setHeader("connection", "close");
  response.end("<!doctype html><title>Back</title><p>Back in the application.");
  arrived(new URL(request.url, redirect));
}));
server.close();
try {
  // Checks state and, since the metadata promise it, the issuer of the answer (RFC 9207).
  const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state });
  const call = async (token, path) => (await fetch(new URL(path, issuer), { headers: { authorization: `Bearer ${token}` } })).status;
  const opened = await call(tokens.access_token, "/api/v1/records/account");
  const refused = await call(tokens.access_token, "/api/v1/audit-events");
  const next = await client.refreshTokenGrant(config, tokens.refresh_token);
  const reopened = await call(next.access_token, "/api/v1/records/account");
  await client.tokenRevocation(config, next.refresh_token);
  const revoked = await call(next.access_token, "/api/v1/records/account");
  say({ scope: tokens.scope, expires: tokens.expires_in, opened, refused, reopened, rotated: next.refresh_token !== tokens.refresh_token, revoked });
} catch (error) {
  say({ error: error.error ?? error.code ?? String(error), cause: String(error.cause ?? "") });
}
