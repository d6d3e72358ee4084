"""Studies: the rows of a table trained and tested with several seeds; their raw values, tables and plots.

A study is `projects/<study>/study.yml`; a `metafile.yml` of `configs/` is run by the same runner. `study` reads one,
`jobs` lists the runs that it wants, `runner` starts them, `worker` is one of them in its own process, `raw_values`
keeps what they measured in a CSV, and `pages` and `plots` make the pages from that CSV.
"""
