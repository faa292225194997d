"""The schedules and the noise of released models, as diffusers and torch make them.

Made with torch 2.15.0, diffusers 0.42.1, safetensors 0.8.0:

    python3 tools/reference/schedules.py --out internal/sampler/testdata

It writes flow.safetensors (noise levels, timesteps and whole trajectories of three samplers) and
noise.safetensors (draws of torch.Generator("cpu")).
"""

import argparse
import os

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
from diffusers.utils.torch_utils import randn_tensor
from safetensors.torch import save_file

STEPS = (1, 2, 3, 4, 5, 8, 20, 50)
SHIFTS = (1.0, 3.0, 5.0, 8.0)
SHAPE = (1, 2, 3, 4)  # of a sample


def velocity(z, timestep):
    """A model with a closed form: smooth, not linear, and different at each place."""
    z = z.double()
    place = torch.arange(z.numel(), dtype=torch.float64).reshape(z.shape) / z.numel()
    return (0.7 * z + 0.3 * torch.sin(2 * z + float(timestep) / 500) - 0.4 * place).float()


def start():
    return torch.randn(SHAPE, generator=torch.Generator("cpu").manual_seed(7))


def follow(scheduler, steps):
    """The sample after each step of a scheduler of diffusers."""
    scheduler.set_timesteps(steps)
    z, path = start(), []
    for t in scheduler.timesteps:
        z = scheduler.step(velocity(z, t), t, z, return_dict=False)[0]
        path.append(z.flatten())
    return scheduler.sigmas.double(), scheduler.timesteps.double(), torch.stack(path)


def renoise_levels(timesteps, shift=8.0):
    """The noise levels that FastVideo looks up for timesteps, and 0."""
    table = FlowMatchEulerDiscreteScheduler(shift=shift)
    return torch.stack([table.sigmas[(table.timesteps - t).abs().argmin()].double() for t in timesteps] + [torch.zeros((), dtype=torch.float64)])


def renoise(timesteps, seed=11):
    """FastVideo's sampler of models distilled by distribution matching."""
    level = renoise_levels(timesteps)
    generator = torch.Generator("cpu").manual_seed(seed)
    z = torch.randn(SHAPE, generator=generator)
    path = [z.flatten()]
    for i, t in enumerate(timesteps):
        x = (z.double() - level[i] * velocity(z, t).double()).float()
        if i + 1 < len(timesteps):
            noise = torch.randn(SHAPE, generator=generator)
            s = level[i + 1].float()
            x = (1 - s) * x + s * noise
        z = x
        path.append(z.flatten())
    return level, torch.tensor(timesteps, dtype=torch.float64), torch.stack(path)


def flows(out):
    tensors = {"start": start().flatten()}
    for shift in SHIFTS:
        for steps in STEPS:
            for name, scheduler in (
                ("unipc", UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)),
                ("euler", FlowMatchEulerDiscreteScheduler(shift=shift)),
            ):
                for part, x in zip(("sigmas", "timesteps", "path"), follow(scheduler, steps)):
                    tensors[f"{name}/{shift:g}/{steps}/{part}"] = x.float()
    for timesteps in ((1000, 757, 522), (1000, 500)):
        for part, x in zip(("sigmas", "timesteps", "path"), renoise(timesteps)):
            tensors[f"renoise/{'-'.join(map(str, timesteps))}/{part}"] = x.float()
    save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(out, "flow.safetensors"))


def noise(out):
    tensors = {}
    for seed in (0, 1, 42, 2**32 + 5):
        for n in (1, 15, 16, 17, 1000, 1_000_000):
            x = randn_tensor((1, n), generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32).flatten()
            key = f"{seed}/{n}"
            tensors[key + "/first"], tensors[key + "/last"] = x[:20].clone(), x[-20:].clone()
            tensors[key + "/sums"] = torch.tensor([x.double().sum(), x.double().abs().sum(), x.double().square().sum()]).float()
        # Draws that follow one another: a scalar draw keeps half of its last pair for the next.
        g = torch.Generator("cpu").manual_seed(seed)
        tensors[f"{seed}/chain"] = torch.cat([torch.randn(n, generator=g) for n in (3, 16, 4, 33, 1, 1, 40)])
    save_file(tensors, os.path.join(out, "noise.safetensors"))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True)
    out = p.parse_args().out
    os.makedirs(out, exist_ok=True)
    flows(out)
    noise(out)
