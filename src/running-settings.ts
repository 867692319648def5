import { ParleyError } from './base/errors.ts';
import { ConfigError, readConfig, settingTable, type Config, type SettingName } from './config.ts';
import type { RunningSettings, SettingState } from './features/operations/index.ts';

/**
 * Settings that everything reads at the moment of use, so that a change is felt at once, with what carries them over. All others are
 * read when the parts are made.
 */
const changeable: Partial<Record<SettingName, (to: Config, from: Config) => void>> = {
  LOG_LEVEL: (to, from) => void (to.logLevel = from.logLevel),
  AUTO_TITLES: (to, from) => void (to.autoTitles = from.autoTitles),
  DRAIN_SECONDS: (to, from) => void (to.drainMs = from.drainMs),
  LIMIT_MESSAGES_PER_HOUR: (to, from) => void (to.limits.messagesPerHour = from.limits.messagesPerHour),
  LIMIT_FRIEND_MESSAGES_PER_MINUTE: (to, from) => void (to.limits.friendMessagesPerMinute = from.limits.friendMessagesPerMinute),
  LIMIT_REQUESTS_PER_MINUTE: (to, from) => void (to.limits.requestsPerMinute = from.limits.requestsPerMinute),
  LIMIT_COMPLETIONS_PER_MINUTE: (to, from) => void (to.limits.completionsPerMinute = from.limits.completionsPerMinute),
};

/** The settings of a process, shown and changed while it runs. @param config the object that the parts were given */
export function createRunningSettings(config: Config): RunningSettings {
  const { texts: atStart, secrets } = config.given;
  let changed: Readonly<Record<string, string>> = {};
  const known = (name: string): name is SettingName => Object.hasOwn(settingTable, name);
  /** By the texts of the start, some of them replaced. Settings that belong together are left as they are. */
  const readWith = (values: Readonly<Record<string, string>>): Config => {
    const names = Object.keys(changeable) as SettingName[];
    return readConfig(Object.fromEntries(names.flatMap((name) => {
      const value = values[name] ?? atStart[name];
      return value === undefined ? [] : [[name, value]];
    })));
  };
  const stateOf = (name: SettingName): SettingState => {
    const row = settingTable[name];
    const isSecret = row.type === 'secret';
    const isSet = isSecret ? secrets.includes(name) : changed[name] !== undefined || atStart[name] !== undefined;
    return {
      name, type: row.type, meaning: row.meaning, choices: 'choices' in row ? row.choices : [],
      value: isSecret ? null : withoutCredentials(changed[name] ?? atStart[name] ?? row.default),
      default: isSecret ? null : row.default,
      isSet,
      source: changed[name] !== undefined ? 'run-time' : isSet ? 'environment' : 'default',
      isChangeable: changeable[name] !== undefined,
    };
  };
  return {
    list: () => (Object.keys(settingTable) as SettingName[]).map(stateOf),
    check(name, value) {
      if (!known(name)) throw new ParleyError('not_found', { message: 'There is no such setting.' });
      if (!changeable[name]) throw new ParleyError('conflict', { message: `${name} is read when the server starts: set it in the environment, and start the server again.` });
      if (value === null) return;
      if (name.startsWith('LIMIT_') && Number(value) < 1) throw new ParleyError('invalid_request', { message: `${name} must be 1 or more: with 0 nobody could change it back.` });
      try {
        readWith({ [name]: value });
      } catch (error) {
        if (error instanceof ConfigError) throw new ParleyError('invalid_request', { message: error.message });
        throw error;
      }
    },
    use(values) {
      const fresh = readWith(values);
      changed = values;
      for (const carry of Object.values(changeable)) carry(config, fresh);
    },
  };
}

/** Addresses may hold what one signs in with. */
function withoutCredentials(value: string): string {
  return value.replace(/\/\/[^/\s,]*@/g, '//[hidden]@');
}
