/**
 * What a reply was labelled with, by reading: `q` contains a question, `a` suggests an action, `r` requests information,
 * `c` asks what was meant (which is a request, too). A dot for none.
 */
export type Labelled = readonly [text: string, labels: string];
