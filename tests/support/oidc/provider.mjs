// A certified OpenID Connect provider (npm oidc-provider), for tests: anybody may log in under any name, which is their address.
import { Provider } from 'oidc-provider';

const [port, client, secret, redirect] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: client, client_secret: secret, redirect_uris: [redirect] }],
  pkce: { required: () => true },
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  cookies: { keys: ['for tests only'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: id, email_verified: !id.startsWith('unverified') }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
