"""Whether the false-alarm budget holds, how near delays are to the limit, and what users would pick instead."""
