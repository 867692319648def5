/** The settings that accounts need; the names and meanings are those of the settings table. */
export interface AccountSettings {
  host: string;
  redisUrl: string | null;
  publicUrl: string | null;
  trustProxy: boolean;
  localTrust: boolean;
  /** Origins such as `https://chat.example.com`. */
  allowedOrigins: readonly string[];
  /** Null for the default: open when bound to loopback, closed elsewhere. */
  registration: 'open' | 'invite' | 'closed' | null;
  /** Milliseconds a sign-in lasts. */
  tokenLifetimeMs: number;
  limits: {
    /** Sign-ins and registrations a minute and address. */
    loginsPerMinute: number;
    /** Tokens that a user may have made for programs in an hour. */
    tokensPerHour: number;
    /** Requests a minute and address at OAuth's addresses. */
    oauthPerMinute: number;
  };
}
