"""The console command `freqfusion-mm`: a module for each of its commands, which parses arguments and calls `apis`."""
