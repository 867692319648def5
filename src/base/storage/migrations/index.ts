import { groundFloor } from './0001-ground-floor.ts';
import { budgets } from './0002-budgets.ts';
import { organising } from './0003-organising.ts';
import { pictures } from './0004-pictures.ts';
import type { Migration } from './migration.ts';

/** Every migration, oldest first. */
export const migrations: readonly Migration[] = [groundFloor, budgets, organising, pictures];
