"""What setup.cfg cannot say: a wheel carries configs, tools and the model index where mim looks.

mim and mmengine search `<package>/.mim/{configs,tools,model-index.yml}`. An editable install needs no
such folder: onedl-mim and `freqfusion_mm.apis.config` look in the checkout itself. It must not even have
a second set of configs, as a link or as a left-over build folder: mim searches by base name, through
links too, and refuses a name that it finds twice.
"""

from pathlib import Path
from shutil import copy2, copytree, ignore_patterns
from tempfile import TemporaryDirectory

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithMim(build_py):
    """Also copies what mim looks for into `<build>/freqfusion_mm/.mim`."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        root, mim = Path(__file__).resolve().parent, Path(self.build_lib, 'freqfusion_mm', '.mim')
        for folder in ('configs', 'tools'):
            copytree(root / folder, mim / folder, ignore=ignore_patterns('__pycache__', '*.sh'))
        copy2(root / 'model-index.yml', mim)


with TemporaryDirectory() as build_base:
    setup(cmdclass={'build_py': BuildWithMim}, options={'build': {'build_base': build_base}})
