"""LoRA adapters of the PEFT library, in and out: those of the image model.

A folder with `adapter_config.json` and `adapter_model.safetensors`. Written and read without PEFT,
so that it need not be installed.

    model = timm.create_model(name, pretrained=True)
    model = peft.PeftModel.from_pretrained(model, folder)  # features as ours, frame by frame
"""

from stillmotion.peft_files.reading import from_peft
from stillmotion.peft_files.writing import to_peft

__all__ = ["from_peft", "to_peft"]
