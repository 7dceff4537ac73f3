/** Without root. */
import { grownZygoteTests } from '../sandbox/grown-zygote.ts';

grownZygoteTests();
