"""One PBE single point with GPAW: ``python gpaw_worker.py job.json result.json log.txt``.

Self-contained, so that GPAW may live in an environment without umlip_bench: it needs ase, gpaw and numpy.
``python gpaw_worker.py`` without arguments prints the versions of gpaw and ase and ends.

The worker ends when its standard input is closed, so that none is left behind by a parent that was killed.
"""

import json
import os
import sys
import threading
from pathlib import Path

FAILED = 3
"""Exit status for a calculation that did not succeed; the last line on stderr says why."""


def end_with_parent() -> None:
    """End this process as soon as standard input is closed."""

    def wait() -> None:
        # Not sys.stdin: Python aborts at its end if a thread holds the lock of that.
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def single_point(job: dict, log: str) -> dict:
    """Energy (eV), forces (eV/Å) and stress (3x3, eV/Å³) of a structure, and what they were made with."""
    import ase
    import gpaw
    from ase import Atoms
    from ase.calculators.calculator import kpts2sizeandoffsets
    from gpaw import GPAW, PW, FermiDirac

    atoms = Atoms(numbers=job["numbers"], positions=job["positions"], cell=job["cell"], pbc=True)
    if job["moments"] is not None:
        atoms.set_initial_magnetic_moments(job["moments"])
    size, _ = kpts2sizeandoffsets(density=job["kpoint_density"], gamma=True, atoms=atoms)
    mesh = [int(n) for n in size]
    atoms.calc = GPAW(
        mode=PW(job["cutoff"]),
        xc="PBE",
        kpts={"size": mesh, "gamma": True},
        occupations=FermiDirac(job["smearing"]),
        convergence={"energy": 1e-5},
        maxiter=job["max_iterations"],
        txt=log,
    )
    return {
        "energy": float(atoms.get_potential_energy()),
        "free_energy": float(atoms.get_potential_energy(force_consistent=True)),
        "forces": atoms.get_forces().tolist(),
        "stress": atoms.get_stress(voigt=False).tolist(),
        "moment": float(atoms.get_magnetic_moment()) if job["moments"] is not None else None,
        "kpoints": " x ".join(map(str, mesh)),
        "gpaw": gpaw.__version__,
        "ase": ase.__version__,
    }


def main() -> int:
    """Compute what the first argument asks for and write it to the second."""
    if len(sys.argv) == 1:
        import ase
        import gpaw

        print(json.dumps({"gpaw": gpaw.__version__, "ase": ase.__version__}))
        return 0
    end_with_parent()
    job, result, log = sys.argv[1:]
    try:
        computed = single_point(json.loads(Path(job).read_text()), log)
    except Exception as error:  # whatever GPAW raises is this frame's failure, to be named
        message = " ".join(str(error).split())
        print(f"{type(error).__name__}: {message}", file=sys.stderr)
        return FAILED
    part = Path(f"{result}.part")
    part.write_text(json.dumps(computed))
    part.rename(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
