import { hashscanNetworks } from './explorer.ts';
import type { HederaSettings } from '../../types.ts';

/** A network as the settings name it. */
export interface HederaNetwork {
  /** Of a public network its name; of others `private`. */
  name: string;
  /** Nodes by `host:port`, each with its account; null for those that the SDK knows for a public network. */
  nodes: Readonly<Record<string, string>> | null;
  /** Base URL of the REST API of a mirror node; null when there is none. */
  mirrorUrl: string | null;
}

/** REST APIs of the public mirror nodes. */
const publicMirrors: Readonly<Record<string, string>> = {
  mainnet: 'https://mainnet.mirrornode.hedera.com',
  testnet: 'https://testnet.mirrornode.hedera.com',
  previewnet: 'https://previewnet.mirrornode.hedera.com',
};

/** `shard.realm.num` without leading zeros. */
const entityForm = /^(?:0|[1-9]\d{0,18})(?:\.(?:0|[1-9]\d{0,18})){2}$/;

/** What is wrong with the settings, for the operator; null when nothing is. Names no secret. */
export function wrongSetting(settings: HederaSettings): string | null {
  if (!entityForm.test(settings.accountId)) return 'HEDERA_ACCOUNT_ID must be an account such as 0.0.1234.';
  if (!entityForm.test(settings.topicId)) return 'HEDERA_TOPIC_ID must be a topic such as 0.0.5678.';
  if (!/^(?:0x)?[0-9a-fA-F]{64}$|^30[0-9a-fA-F]{90,210}$/.test(settings.privateKey)) return 'HEDERA_PRIVATE_KEY must be a private key in hexadecimal digits: DER, or 64 digits (Ed25519), or 0x and 64 digits (ECDSA).';
  if (networkOf(settings) === null) return 'HEDERA_NETWORK must be mainnet, testnet, previewnet, or nodes such as 127.0.0.1:50211=0.0.3.';
  if (settings.mirrorUrl !== '' && !/^https?:\/\/[^\s?#]+$/.test(settings.mirrorUrl)) return 'HEDERA_MIRROR_URL must be an address such as https://testnet.mirrornode.hedera.com.';
  return null;
}

/** The network of the settings; null when they name none. */
export function networkOf({ network, mirrorUrl }: Pick<HederaSettings, 'network' | 'mirrorUrl'>): HederaNetwork | null {
  const given = mirrorUrl.replace(/\/+$/, '') || null;
  if (hashscanNetworks.includes(network)) return { name: network, nodes: null, mirrorUrl: given ?? publicMirrors[network]! };
  const nodes = network.split(',').map((item) => /^(\[[\da-fA-F:]+\]:\d{1,5}|[\w.-]+:\d{1,5})=(\d+\.\d+\.\d+)$/.exec(item.trim()));
  if (nodes.some((node) => node === null)) return null;
  return { name: 'private', nodes: Object.fromEntries(nodes.map((node) => [node![1]!, node![2]!])), mirrorUrl: given };
}
