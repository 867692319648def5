import { groundFloor } from './0001-ground-floor.ts';
import { budgets } from './0002-budgets.ts';
import { organising } from './0003-organising.ts';
import { pictures } from './0004-pictures.ts';
import { ledger } from './0005-ledger.ts';
import { agents } from './0006-agents.ts';
import { oauth } from './0007-oauth.ts';
import { profiles } from './0008-profiles.ts';
import { transcripts } from './0009-transcripts.ts';
import { audit } from './0010-audit.ts';
import { pipelines } from './0011-pipelines.ts';
import type { Migration } from './migration.ts';

/** Every migration, oldest first. */
export const migrations: readonly Migration[] = [groundFloor, budgets, organising, pictures, ledger, agents, oauth, profiles, transcripts, audit, pipelines];
