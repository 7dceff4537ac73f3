/** With root. */
import { grownZygoteTests } from './grown-zygote.ts';

grownZygoteTests();
