/** Networks that HashScan shows. */
export const hashscanNetworks: readonly string[] = ['mainnet', 'testnet', 'previewnet'];

/** Where people can look at a transaction; null on a network that nobody from outside can see. @param transactionId `0.0.2@seconds.nanoseconds` */
export function hashscanUrl(network: string, transactionId: string): string | null {
  return hashscanNetworks.includes(network) ? `https://hashscan.io/${network}/transaction/${transactionId}` : null;
}
