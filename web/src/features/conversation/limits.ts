/** Most characters of one message, as the server takes them. */
export const longestMessage = 50_000;

/** From here on the number of characters left is shown. */
export const nearlyLongestMessage = 45_000;
