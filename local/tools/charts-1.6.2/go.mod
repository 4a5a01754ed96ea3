module kuberay/local/tools/charts-1.6.2

go 1.26

require github.com/ray-project/kuberay v1.6.2
