# shellcheck shell=bash
# What a job on your cluster needs before `gridshift run`. Every line is a suggestion; remove the # of those that you want.

# -- where the program is; it must have been built for these nodes
# export PATH=$HOME/gridshift/build:$PATH

# -- modules: the MPI that gridshift was built with, and its BLAS
# module purge
# module load gcc openmpi/4.1 openblas

# -- a core has one rank, so one BLAS thread a rank (gridshift sets this itself)
# export OPENBLAS_NUM_THREADS=1

# -- several nodes over Ethernet: which network to use
# export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_tcp_if_include=eth0

# -- nodes that share one host name (virtual nodes): no shared memory between ranks
# export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_pml=ob1

# -- checkpoints of unfinished runs on a disk of the node, copied back when the job stops (see README.md)
# export GRIDSHIFT_SCRATCH=${TMPDIR:-/tmp}
