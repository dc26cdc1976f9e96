"""`tocsin test`: rule unit tests in virtual time, through production's own measuring, judging and wording."""
