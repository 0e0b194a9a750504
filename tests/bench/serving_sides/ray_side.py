"""The model behind Ray Serve: ``python ray_side.py PORT``."""

import sys
import time

import numpy as np
import ray
from ray import serve

WEIGHTS = np.array([0.1, 0.2, 0.3, 0.4])


@serve.deployment(num_replicas=1, max_ongoing_requests=100)
class Linear:
    async def __call__(self, request):
        body = await request.json()
        return {"outputs": (np.asarray(body["inputs"], dtype=float) @ WEIGHTS).tolist()}


ray.init(include_dashboard=False, num_cpus=2, log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
serve.run(Linear.bind(), route_prefix="/infer")
while True:
    time.sleep(60)
