/** Which dialects are served. */
export interface DialectSwitches {
  isOn(dialect: string): boolean;
  /** Calls `listener` with each dialect that has just been switched off. */
  onOff(listener: (dialect: string) => void): void;
}
